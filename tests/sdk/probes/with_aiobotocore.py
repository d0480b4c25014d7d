"""aiobotocore: one session, one client, on one event loop."""

import asyncio
import os

from aiobotocore.session import get_session
from aiobotocore.utils import AioInstanceMetadataRegionFetcher

from answers import serve

loop = asyncio.new_event_loop()
held = {}


async def renew():
    """A new session: botocore has no public way to make one forget."""
    if held:
        await held["context"].__aexit__(None, None, None)
    held["context"] = get_session().create_client("sts", region_name="us-east-1", endpoint_url=os.environ["MIRROR"])
    held["sts"] = await held["context"].__aenter__()
    return "a new session"


async def use():
    return (await held["sts"].get_caller_identity())["UserId"]


async def region():
    """As in botocore: only when asked, from the availability zone."""
    endpoint = {"ec2_metadata_service_endpoint": os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]}
    return await AioInstanceMetadataRegionFetcher(config=endpoint).retrieve_region()


loop.run_until_complete(renew())
serve(
    use=lambda: loop.run_until_complete(use()),
    renew=lambda: loop.run_until_complete(renew()),
    region=lambda: loop.run_until_complete(region()),
)
