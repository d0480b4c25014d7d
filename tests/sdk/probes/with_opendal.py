"""OpenDAL: one operator, which reads an object of its own making."""

import os

import opendal

from answers import serve

operator = opendal.Operator("s3", bucket="mirror", region="us-east-1", endpoint=os.environ["MIRROR"])
serve(use=lambda: bytes(operator.read("object-1")).decode().strip())
