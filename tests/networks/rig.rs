//! An authority, a TLS front and a proxy, each no larger than the tests need.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What is wrong with a server's certificate.
#[derive(Clone, Copy)]
pub(crate) enum Ticket {
    Valid,
    Foreign,
    Expired,
    NotYet,
    OtherName,
}

/// A certificate authority that nobody knows.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A server with these names.
    pub(crate) fn server(&self, names: &[&str], ticket: Ticket) -> ServerConfig {
        let names = match ticket {
            Ticket::OtherName => vec!["elsewhere.example".to_owned()],
            _ => names.iter().map(|&name| name.to_owned()).collect(),
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        match ticket {
            Ticket::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Ticket::NotYet => params.not_before = date_time_ymd(2999, 1, 1),
            _ => {}
        }
        let stranger = Self::new("stranger");
        let issuer =
            if matches!(ticket, Ticket::Foreign) { &stranger.issuer } else { &self.issuer };
        let certificate = params.signed_by(&key, issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A server that answers everything with this status and JSON.
pub(crate) async fn canned(status: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            while !read_head(&mut stream).await?.is_empty() {
                let length = body.len();
                let reply = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(reply.as_bytes()).await?;
            }
        }
        std::io::Result::Ok(())
    });
    address
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(String::new()),
        }
    }
    Ok(String::from_utf8(head).unwrap())
}

/// TLS in front of `behind`; gives its port.
pub(crate) async fn front(behind: SocketAddr, config: ServerConfig) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut inner = TcpStream::connect(behind).await?;
                let mut outer = acceptor.accept(stream).await?;
                copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    port
}

/// A proxy that connects everything to one port.
pub(crate) struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// With `login`, 407 without a `Proxy-Authorization` and 403 with another one.
    pub(crate) async fn start(target: u16, login: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move { connect(stream, target, login, &seen).await });
            }
        });
        Self { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn url_with(&self, user: &str) -> String {
        format!("http://{user}@127.0.0.1:{}", self.port)
    }

    /// The `host:port` of each CONNECT that was granted.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn connect(
    mut stream: TcpStream,
    target: u16,
    login: Option<&str>,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    let field = head.lines().find(|line| line.to_lowercase().starts_with("proxy-authorization: "));
    let given = field.and_then(|line| line.split_once(": ")).map(|(_, value)| value);
    let refusal = match (login, given) {
        (Some(_), None) => "407 Proxy Authentication Required",
        (Some(login), Some(given)) if login != given => "403 Forbidden",
        _ => {
            let host = head.split(' ').nth(1).unwrap().to_owned();
            seen.lock().unwrap().push(host);
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
            let mut target = TcpStream::connect(("127.0.0.1", target)).await?;
            copy_bidirectional(&mut stream, &mut target).await?;
            return Ok(());
        }
    };
    stream.write_all(format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await
}
