"""The five actions of STS, at each server that can stand in for AWS.

The daemon has each of them as its source, and boto3 uses what it serves. Whose
the keys are is asked where they came from: each server answers only for keys of
its own making. Then boto3 asks the embedded STS itself, rightly and wrongly.
"""

import json
import re
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from . import environment, report
from .daemon import DIRECT as NO_PROXY
from .daemon import REGION, Daemon, Failed, Program, bare, free_port, user_files
from .materials import PROVIDER, id_token, saml_response
from .probe import Probe
from .servers import ACCOUNT, KEYS, SERVERS, serving
from .trial import Outcome

ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/dev/probe"
GUEST = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/me"
ISSUED = re.compile(r"ASIA[A-Z0-9]{16}")
CREDENTIALS = "[base]\naws_access_key_id = {AWS_ACCESS_KEY_ID}\naws_secret_access_key = {AWS_SECRET_ACCESS_KEY}\n"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
QUESTIONS = {
    "R": "AssumeRole, with external id, session policy and tags",
    "M": "AssumeRole, under a session that one MFA code has opened",
    "C": "AssumeRole, by a role that was assumed before",
    "W": "AssumeRoleWithWebIdentity",
    "S": "AssumeRoleWithSAML",
    "T": "GetSessionToken",
    "F": "GetFederationToken",
}
# What the profile says, but for the Region.
PROFILES = {
    "R": f"role_arn = {ROLE}\nrole_session_name = probe\nsource_profile = base\nexternal_id = agreed\n"
         f"policy = {POLICY}\ntags = team=blue\ntransitive_tag_keys = team\n",
    "M": f"role_arn = {ROLE}\nrole_session_name = probe\nsource_profile = base\nmfa_serial = {SERIAL}\n"
         "mfa_command = echo 314159\n",
    "C": f"role_arn = {ROLE}\nrole_session_name = probe\nsource_profile = first\n"
         f"[profile first]\nrole_arn = {ROLE}\nrole_session_name = first\nsource_profile = base\n",
    "W": f"role_arn = {ROLE}\nrole_session_name = probe\nweb_identity_token_file = FOLDER/token\n",
    "S": f"role_arn = {ROLE}\nprincipal_arn = {PROVIDER}\nsaml_assertion_file = FOLDER/response\n",
    "T": "action = get-session-token\nsource_profile = base\nduration_seconds = 3600\n",
    "F": "action = get-federation-token\nfederation_name = guest\nsource_profile = base\ntags = team=blue\n"
         f"policy = {POLICY}\nduration_seconds = 3600\n",
}
# What boto3 gets of the embedded STS itself: an ARN, or the code of an error.
DIRECT = {
    "role": CALLER,
    "role-by-role": CALLER,
    "role-by-role-too-long": "ValidationError",
    "role-too-short": "ValidationError",
    "role-bad-policy": "MalformedPolicyDocument",
    "role-too-many-tags": "ValidationError",
    "role-wrong-code": "AccessDenied",
    "web": CALLER,
    "web-expired": "ExpiredTokenException",
    "web-garbage": "InvalidIdentityToken",
    "saml": CALLER,
    "saml-expired": "ExpiredTokenException",
    "saml-for-others": "AccessDenied",
    "saml-garbage": "InvalidIdentityToken",
    "session": f"arn:aws:iam::{ACCOUNT}:user/assumed-demo",
    "session-with-code": f"arn:aws:iam::{ACCOUNT}:user/assumed-demo",
    "session-same-code": "AccessDenied",
    "session-wrong-code": "AccessDenied",
    "session-by-session": "AccessDenied",
    "session-role": CALLER,
    "guest": GUEST,
    "guest-by-role": "AccessDenied",
    "guest-name-too-short": "ValidationError",
    "guest-role": "AccessDenied",
}


def run(binary):
    """Prints the table and what boto3 was told; the exit code."""
    rows, marks = [], []
    for server in SERVERS:
        outcomes = at(server, binary)
        print(f"{server.name:10} " + " ".join(f"{letter}={cell.mark}" for letter, cell in outcomes.items()), flush=True)
        rows.append(((server.name, server.version), outcomes))
        marks += [cell.mark for cell in outcomes.values()]
    report.show(rows, ("server", "version"), QUESTIONS)
    print("\nboto3 at `demo --sts-only`:")
    return report.closing(marks + direct(binary))


def at(server, binary):
    """One server's outcomes, whatever happens."""
    try:
        with tempfile.TemporaryDirectory(prefix="assumed-sts-") as folder:
            folder = Path(folder)
            with serving(server, binary, folder / "sts") as url:
                return {letter: cell(server, letter, url, binary, folder / letter) for letter in QUESTIONS}
    except environment.Unavailable as reason:
        return {letter: Outcome("SKIP", str(reason)) for letter in QUESTIONS}
    except Failed as failure:
        return {letter: Outcome("FAIL", str(failure)) for letter in QUESTIONS}


def cell(server, letter, url, binary, folder):
    """One action at one server."""
    if letter in server.lacks:
        return Outcome("n/a", server.lacks[letter])
    expected = {"T": server.user, "F": GUEST}.get(letter, CALLER)
    try:
        with bed(letter, url, binary, folder) as (daemon, probe):
            if letter in server.constant:
                served(daemon, probe, server.user)
                return Outcome("ok", "it gives everybody the same key")
            served(daemon, probe, expected)
            if not ISSUED.fullmatch(daemon.key()):
                raise Failed(f"{daemon.key()} is no temporary key")
            old = probe.ask("key")
            daemon.rotate()
            probe.ask("renew")
            served(daemon, probe, expected)
            if probe.ask("key") == old or probe.ask("region") != REGION:
                raise Failed("after the rotation the key is the old one, or the Region another")
    except Failed as failure:
        return Outcome("FAIL", str(failure))
    return Outcome("ok")


def served(daemon, probe, expected):
    """boto3 holds what the daemon serves, and the server knows it for this caller's."""
    key, caller = probe.ask("key"), probe.ask("caller")
    if key != daemon.key():
        raise Failed(f"boto3 has {key}, served is {daemon.key()}")
    if caller != expected:
        raise Failed(f"the caller is {caller}, and not {expected}")


@contextmanager
def bed(letter, url, binary, folder):
    """The daemon with nothing but a user's `~/.aws`, and boto3 with nothing but the endpoint."""
    home, elsewhere = folder / "user", folder / "client"
    home.mkdir(parents=True)
    elsewhere.mkdir()
    (folder / "token").write_text(id_token())
    (folder / "response").write_text(saml_response(ROLE))
    profile = PROFILES[letter].replace("FOLDER", str(folder))
    user_files(home, f"[profile base]\n[profile dev]\nregion = {REGION}\n{profile}", CREDENTIALS.format(**KEYS))
    address = ("127.0.0.1", free_port())
    words = ["run", "--profile", "dev", "--listen", "%s:%d" % address]
    program = Program(binary, words, home, "daemon", bare(home) | {"AWS_ENDPOINT_URL_STS": url})
    found = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://%s:%d/" % address, "MIRROR": url}
    command = [environment.python("boto3") / "bin/python", environment.PROBES / "with_boto3.py"]
    with Daemon(program, address) as daemon, Probe(command, bare(elsewhere) | found) as probe:
        yield daemon, probe


def answer(probe, name):
    """What boto3 was told, or why it did not even ask."""
    try:
        return probe.ask(name)
    except Failed as failure:
        return str(failure)


def only_code(url, code):
    """The device shows this one; each is good once."""
    body = json.dumps({"mfa": {"serial": SERIAL, "codes": [code]}}).encode()
    NO_PROXY.open(urllib.request.Request(f"{url}/script", body, method="PUT"), timeout=5).close()


def direct(binary):
    """What boto3 is told by the embedded STS itself, a line each."""
    marks = []
    with tempfile.TemporaryDirectory(prefix="assumed-sts-") as folder, \
            serving(SERVERS[0], binary, Path(folder) / "sts") as url:
        materials = {
            "AWS_ENDPOINT_URL_STS": url,
            "PROVIDER": PROVIDER,
            "TOKEN": id_token(),
            "EXPIRED_TOKEN": id_token(-400),
            "RESPONSE": saml_response(ROLE),
            "EXPIRED_RESPONSE": saml_response(ROLE, -1),
            "FOREIGN_RESPONSE": saml_response(f"{ROLE}-of-others"),
        }
        only_code(url, "314159")
        command = [environment.python("boto3") / "bin/python", environment.PROBES / "sts_with_boto3.py"]
        with Probe(command, bare(Path(folder)) | KEYS | materials) as probe:
            for name, expected in DIRECT.items():
                told = answer(probe, name)
                marks.append("ok" if told == expected else "FAIL")
                print(f"{marks[-1]:4} {name}: {told}" + ("" if told == expected else f", and not {expected}"))
    return marks
