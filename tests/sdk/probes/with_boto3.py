"""boto3: one session, one client, as an application keeps them."""

import os

import boto3
from botocore.utils import InstanceMetadataRegionFetcher

from answers import serve

held = {}


def renew():
    """A new session: botocore has no public way to make one forget."""
    held["session"] = boto3.Session()
    held["sts"] = held["session"].client("sts", region_name="us-east-1", endpoint_url=os.environ["MIRROR"])
    return "a new session"


def region():
    """botocore reads the Region only when asked, from the availability zone."""
    endpoint = {"ec2_metadata_service_endpoint": os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]}
    return InstanceMetadataRegionFetcher(config=endpoint).retrieve_region()


renew()
serve(
    use=lambda: held["sts"].get_caller_identity()["UserId"],
    renew=renew,
    region=region,
    caller=lambda: held["sts"].get_caller_identity()["Arn"],
    key=lambda: held["session"].get_credentials().access_key,
)
