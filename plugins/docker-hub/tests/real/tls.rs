//! An engine behind TLS, as one on another machine is: both sides prove who they are. What ends TLS is a proxy of the test's, in
//! front of the engine of this machine.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plugin_api::ErrorCode;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::support::{Runner, elsewhere, socket, workload};

/// An authority, and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// The certificate of this name and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// What an operator has of an engine: its address, and the files that go with it.
struct Engine {
    files: tempfile::TempDir,
    authority: Authority,
    port: u16,
    _proxy: AbortOnDropHandle<()>,
}

impl Engine {
    /// One whose certificate is of the machine's own address, and which takes only clients of its authority.
    async fn behind_tls(engine: PathBuf) -> Self {
        let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("this one"));
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let (certificate, key) = authority.sign("127.0.0.1");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), stream, engine.clone()));
            }
        });
        Self {
            files,
            authority,
            port,
            _proxy: AbortOnDropHandle::new(proxy),
        }
    }

    fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// The settings of a client of this authority that trusts that one.
    fn client_of(&self, client: &Authority, trusted: &Authority) -> Value {
        let directory = self.files.path();
        let (certificate, key) = client.sign("client");
        json!({
            "ca": write(directory, "ca.pem", &trusted.pem),
            "cert": write(directory, "cert.pem", &certificate),
            "key": write(directory, "key.pem", &key),
        })
    }
}

async fn pass(acceptor: TlsAcceptor, stream: TcpStream, engine: PathBuf) {
    let accepted = acceptor.accept(stream).into_fallible().await;
    match accepted {
        Ok(mut far) => {
            let mut near = UnixStream::connect(engine).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut far, &mut near).await;
        }
        Err((_, mut stream)) => {
            // Reset while there is something to read, the connection would lose the alert on its way.
            let mut rest = Vec::new();
            let reading = stream.read_to_end(&mut rest);
            let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
        }
    }
}

async fn engine() -> Option<Engine> {
    let path = socket()?.strip_prefix("unix://").unwrap().into();
    Some(Engine::behind_tls(path).await)
}

#[tokio::test]
async fn a_box_on_an_engine_behind_tls_is_started_listed_spoken_to_and_stopped() {
    let Some(engine) = engine().await else { return };
    let settings = engine.client_of(&engine.authority, &engine.authority);
    let real = elsewhere(&engine.url(), settings).await.unwrap();
    let instance = real.start(&workload()).await.unwrap();
    assert_eq!(instance.metadata["transport"], "stdio");
    let mut runner = Runner::connect(&instance).await;
    assert_eq!(runner.eval("6 * 7").await, 42);
    let long = format!("'{}' * 1000", "x".repeat(1000));
    assert_eq!(runner.eval(&long).await.as_str().unwrap().len(), 1_000_000);
    let container = instance.metadata["container"].as_str().unwrap();
    let listed = real.done("list", json!({ "ours": true })).await;
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["id"] == container[..12]),
        "{listed}"
    );
    let command = json!({ "container": container, "command": ["/bin/echo", "hello"] });
    assert_eq!(real.done("exec", command).await["stdout"], "hello\n");
    real.stop(&instance).await;
    real.gone(&instance).await;
}

#[tokio::test]
async fn an_engine_that_another_authority_signed_is_refused() {
    let Some(engine) = engine().await else { return };
    let settings = engine.client_of(&engine.authority, &Authority::new("another"));
    let error = elsewhere(&engine.url(), settings).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::CONNECTION_FAILED, "{error:?}");
    assert!(error.message.contains("UnknownIssuer"), "{error}");
    assert!(error.hint.unwrap().contains("`ca`"));
}

#[tokio::test]
async fn an_engine_that_is_named_otherwise_than_its_certificate_is_refused() {
    let Some(engine) = engine().await else { return };
    let settings = engine.client_of(&engine.authority, &engine.authority);
    let url = engine.url().replace("127.0.0.1", "localhost");
    let error = elsewhere(&url, settings).await.err().unwrap();
    assert!(error.message.contains("not valid for name"), "{error}");
    assert!(error.hint.unwrap().contains("name the machine"));
}

#[tokio::test]
async fn an_engine_that_wants_a_certificate_says_so_to_who_has_none_and_to_who_has_anothers() {
    let Some(engine) = engine().await else { return };
    let mut settings = engine.client_of(&engine.authority, &engine.authority);
    for name in ["cert", "key"] {
        settings.as_object_mut().unwrap().remove(name);
    }
    let anothers = engine.client_of(&Authority::new("another"), &engine.authority);
    for (settings, word) in [(settings, "CertificateRequired"), (anothers, "UnknownCA")] {
        let error = elsewhere(&engine.url(), settings).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::CONNECTION_FAILED, "{error:?}");
        assert!(error.message.contains(word), "{error}");
        assert!(error.hint.unwrap().contains("`cert` and `key`"));
    }
}
