"""A program in a container: waits for boto3 to find credentials, and prints where it
found them and, with the URL of an STS, who that says they are.
"""
import sys
import time

import boto3

for _ in range(60):
    session = boto3.Session(region_name="eu-central-1")
    credentials = session.get_credentials()
    if credentials:
        break
    time.sleep(0.5)
print(credentials.method)
if sys.argv[1:] and sys.argv[1]:
    print(session.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
