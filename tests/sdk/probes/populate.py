"""Makes the role `dev`, which may assume itself, and the OIDC provider at a server that wants them made."""

import sys

import boto3

ALLOWED = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}'

url, trust, issuer = sys.argv[1:]
iam = boto3.client("iam", endpoint_url=url)
iam.create_open_id_connect_provider(Url=issuer, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40])
iam.create_role(RoleName="dev", AssumeRolePolicyDocument=trust, MaxSessionDuration=43200)
iam.put_role_policy(RoleName="dev", PolicyName="chain", PolicyDocument=ALLOWED)
