use super::*;

const AUTHORIZED: &str = "AWS4-HMAC-SHA256 \
    Credential=AKIAASSUMED77EXAMPLE/20261125/eu-central-1/sts/aws4_request, \
    SignedHeaders=content-type;host;x-amz-date;x-odd, \
    Signature=703bfef500e354a80482cd0e23c2a89d663948b876f3a44e90f07756146ab824";
const BODY: &str = "Action=AssumeRole&Version=2011-06-15\
    &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fteam%2Fdeploy&RoleSessionName=me%40host";
const PRESIGNED: &str = "Action=GetCallerIdentity&Version=2011-06-15&Odd=a%20b%2F\
    &X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIAASSUMED77EXAMPLE%2F20261125%2Feu-central-1%2Fsts%2Faws4_request\
    &X-Amz-Date=20261125T080000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
    &X-Amz-Signature=2263118ef7a915828efee406520d85be7d23c4a948dce637e6aa47b7cd127d6b";

fn request(method: &str, query: &str, fields: &[(&str, &str)], body: &str) -> Request {
    Request {
        method: method.into(),
        path: "/".into(),
        query: query.into(),
        fields: fields.iter().map(|(n, v)| ((*n).into(), v.as_bytes().to_vec())).collect(),
        body: body.into(),
        keep_alive: true,
    }
}

/// What botocore 1.44.8 signed for these keys and this time.
fn signed() -> Request {
    let fields = [
        ("host", "127.0.0.1:4566"),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("x-odd", "  a   b  "),
        ("x-amz-date", "20261125T080000Z"),
        ("authorization", AUTHORIZED),
    ];
    request("POST", "", &fields, BODY)
}

fn with(mut request: Request, name: &str, value: &str) -> Request {
    request.fields.retain(|(n, _)| n != name);
    request.fields.push((name.into(), value.into()));
    request
}

fn secret() -> Secret {
    Secret::new("not/a/secret/assumed/demo/key/EXAMPLEKEY")
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn verdict(request: &Request, now: &str) -> Result<(), (Code, String)> {
    Signature::of(request)
        .and_then(|signature| signature.check(request, &secret(), at(now)))
        .map_err(|refusal| (refusal.code, refusal.message))
}

#[test]
fn the_published_example_comes_out_as_published() {
    // AWS's own worked example of a signature, for another of its services.
    let request = request(
        "GET",
        "Action=ListUsers&Version=2010-05-08",
        &[
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ],
        "",
    );
    let fields = ["content-type", "host", "x-amz-date"].map(str::to_owned);
    let scope = "20150830/us-east-1/iam/aws4_request";
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    assert_eq!(
        signature(&request, &fields, ("20150830T123600Z", scope), &secret),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn what_botocore_signed_is_accepted() {
    let signature = Signature::of(&signed()).unwrap();
    assert_eq!(signature.access_key_id, "AKIAASSUMED77EXAMPLE");
    assert_eq!((signature.session_token.as_deref(), signature.region()), (None, "eu-central-1"));
    assert_eq!(verdict(&signed(), "2026-11-25T08:00:00Z"), Ok(()));
}

#[test]
fn what_botocore_signed_with_a_session_token_is_accepted() {
    let authorized = AUTHORIZED.replace(";x-odd", ";x-amz-security-token;x-odd").replace(
        "703bfef500e354a80482cd0e23c2a89d663948b876f3a44e90f07756146ab824",
        "99c57ba84afb40c1148493796ae86b7aacd13bf86fa8fe303c76f5028cc5323f",
    );
    let token = "FwoGZXIvYXdzEXAMPLE//////////+token==";
    let request = with(with(signed(), "x-amz-security-token", token), "authorization", &authorized);
    assert_eq!(Signature::of(&request).unwrap().session_token.as_deref(), Some(token));
    assert_eq!(verdict(&request, "2026-11-25T08:00:00Z"), Ok(()));
}

#[test]
fn what_botocore_presigned_is_accepted_for_as_long_as_it_says() {
    let fields = [("host", "127.0.0.1:4566"), ("x-k8s-aws-id", "cluster")];
    let request = request("GET", PRESIGNED, &fields, "");
    assert_eq!(verdict(&request, "2026-11-25T08:01:00Z"), Ok(()));
    let (code, message) = verdict(&request, "2026-11-25T08:01:01Z").unwrap_err();
    assert_eq!(code, Code::SignatureDoesNotMatch);
    assert!(message.starts_with("Signature expired: "), "{message}");
}

#[test]
fn any_change_breaks_the_signature() {
    let mut longer = signed();
    longer.body.push(b'x');
    let mut asked = signed();
    asked.query = "a=b".into();
    for request in [
        longer,
        asked,
        with(signed(), "host", "127.0.0.1:4567"),
        with(signed(), "x-odd", "a c"),
        with(signed(), "authorization", &AUTHORIZED.replace("=703b", "=703c")),
        with(signed(), "authorization", &AUTHORIZED.replace("eu-central-1", "eu-central-2")),
    ] {
        let (code, message) = verdict(&request, "2026-11-25T08:00:00Z").unwrap_err();
        assert_eq!(code, Code::SignatureDoesNotMatch);
        assert!(message.starts_with("The request signature we calculated"), "{message}");
    }
}

#[test]
fn a14_a_signature_is_good_for_a_quarter_of_an_hour_either_way() {
    for now in ["2026-11-25T08:15:00Z", "2026-11-25T07:45:00Z"] {
        assert_eq!(verdict(&signed(), now), Ok(()), "{now}");
    }
    assert_eq!(
        verdict(&signed(), "2026-11-25T08:15:01Z").unwrap_err().1,
        "Signature expired: 20261125T080000Z is now earlier than 20261125T080001Z \
         (20261125T081501Z - 15 min.)"
    );
    assert_eq!(
        verdict(&signed(), "2026-11-25T07:44:59Z").unwrap_err().1,
        "Signature not yet current: 20261125T080000Z is still later than 20261125T075959Z \
         (20261125T074459Z + 15 min.)"
    );
}

#[test]
fn a_scope_for_anything_else_is_a_mismatch() {
    for (from, to, told) in [
        ("/sts/", "/s3/", "correct service: 'sts'"),
        ("/eu-central-1/", "/nowhere/", "a valid region"),
        ("/aws4_request", "/aws5_request", "a valid terminator"),
        ("/20261125/", "/20261124/", "Date in Credential scope does not match"),
        (";host;", ";", "'Host' must be a 'SignedHeader'"),
    ] {
        let request = with(signed(), "authorization", &AUTHORIZED.replace(from, to));
        let (code, message) = verdict(&request, "2026-11-25T08:00:00Z").unwrap_err();
        assert_eq!(code, Code::SignatureDoesNotMatch);
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let mut unsigned = signed();
    unsigned.fields.retain(|(name, _)| name != "authorization");
    let code = |request| verdict(&request, "2026-11-25T08:00:00Z").unwrap_err();
    assert_eq!(code(unsigned).0, Code::MissingAuthenticationToken);

    let (incomplete, message) =
        code(with(signed(), "authorization", "AWS4-HMAC-SHA256 Credential=a/b"));
    assert_eq!(incomplete, Code::IncompleteSignature);
    assert_eq!(
        message,
        "Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter."
    );
    let mut undated = signed();
    undated.fields.retain(|(name, _)| name != "x-amz-date");
    assert!(code(undated).1.contains("a 'X-Amz-Date' or a 'Date' header"));
    for broken in ["Bearer x", "AWS4-ECDSA-P256-SHA256 Credential=a"] {
        assert_eq!(code(with(signed(), "authorization", broken)).0, Code::IncompleteSignature);
    }
    let short = AUTHORIZED.replace("/sts/aws4_request", "");
    assert_eq!(code(with(signed(), "authorization", &short)).0, Code::IncompleteSignature);
    assert_eq!(code(with(signed(), "x-amz-date", "today")).0, Code::IncompleteSignature);
}
