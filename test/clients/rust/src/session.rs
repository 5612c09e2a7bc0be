//! A connection to EDGEWIRE_URL with the task that drives it.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use futures_util::future::poll_fn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

pub struct Session {
    client: Client,
    task: JoinHandle<()>,
    /// ParameterStatus as of the end of the startup; tokio-postgres does not tell a client of later changes.
    parameters: HashMap<&'static str, String>,
    notices: Arc<Mutex<Vec<String>>>,
    pub notifications: UnboundedReceiver<Notification>,
}

impl Session {
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.get(name).cloned()
    }

    pub fn notices(&self) -> Vec<String> {
        self.notices.lock().map(|notices| notices.clone()).unwrap_or_default()
    }

    /// Sends Terminate and waits until the connection is closed.
    pub async fn close(self) -> Result<(), Box<dyn Error>> {
        drop(self.client);
        self.task.await?;
        Ok(())
    }
}

impl Deref for Session {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

fn flag(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == "1")
}

pub fn has_password() -> bool {
    flag("EDGEWIRE_PASSWORD")
}

pub fn direct_tls() -> bool {
    flag("EDGEWIRE_DIRECT_TLS")
}

pub async fn connect() -> Result<Session, tokio_postgres::Error> {
    connect_with(|_| ()).await
}

pub async fn connect_with(change: impl FnOnce(&mut Config)) -> Result<Session, tokio_postgres::Error> {
    let mut config = config();
    change(&mut config);
    let (client, mut connection) = config.connect(tls().expect("TLS configuration")).await?;
    let mut parameters = HashMap::new();
    for name in ["server_version", "application_name", "client_encoding"] {
        if let Some(value) = connection.parameter(name) {
            parameters.insert(name, value.to_owned());
        }
    }
    let notices = Arc::new(Mutex::new(Vec::new()));
    let (sender, notifications) = unbounded_channel();
    let seen = notices.clone();
    let task = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                AsyncMessage::Notice(notice) => {
                    if let Ok(mut notices) = seen.lock() {
                        notices.push(format!("{} {}", notice.severity(), notice.message()));
                    }
                }
                AsyncMessage::Notification(notification) => {
                    let _ = sender.send(notification);
                }
                _ => {}
            }
        }
    });
    Ok(Session { client, task, parameters, notices, notifications })
}

/// tokio-postgres knows no verify-full and no sslrootcert: they are taken out of the URL, and the
/// certificate is checked in full anyway, by rustls.
fn config() -> Config {
    let url = env::var("EDGEWIRE_URL").expect("EDGEWIRE_URL");
    let (plain, query) = url.split_once('?').unwrap_or((&url, ""));
    let mut config = Config::from_str(plain).expect("a URL");
    if query.contains("sslmode=require") || query.contains("sslmode=verify") {
        config.ssl_mode(SslMode::Require);
    }
    config.connect_timeout(std::time::Duration::from_secs(20));
    config
}

pub fn tls() -> Result<MakeRustlsConnect, Box<dyn Error>> {
    let url = env::var("EDGEWIRE_URL")?;
    let mut roots = RootCertStore::empty();
    if let Some((_, rest)) = url.split_once("sslrootcert=") {
        let file = rest.split('&').next().unwrap_or(rest).replace("%2F", "/");
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}
