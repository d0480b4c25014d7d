"""minio-py: knows 169.254.169.254 and reads no variable for another address."""

import os
from urllib.parse import urlsplit

from minio import Minio
from minio.credentials import IamAwsProvider

from answers import serve

client = Minio(urlsplit(os.environ["MIRROR"]).netloc, secure=False, region="us-east-1", credentials=IamAwsProvider())


def use():
    response = client.get_object("mirror", "object-1")
    try:
        return response.data.decode().strip()
    finally:
        response.close()
        response.release_conn()


serve(use=use)
