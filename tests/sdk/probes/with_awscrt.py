"""awscrt: its default chain, as everything built on the CRT has it."""

from awscrt.auth import AwsCredentialsProvider

from answers import serve

provider = AwsCredentialsProvider.new_default_chain()
serve(use=lambda: provider.get_credentials().result(timeout=20).access_key_id)
