"""object_store, by its Python binding: one store, one object read again and again."""

import os

from obstore.store import S3Store

from answers import serve

store = S3Store("mirror", region="us-east-1", endpoint=os.environ["MIRROR"], client_options={"allow_http": True})
serve(use=lambda: bytes(store.get("object-1").bytes()).decode().strip())
