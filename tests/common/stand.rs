//! The embedded STS, run inside the test so that the test can script it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use assumed::clock::SystemClock;
use assumed::emulator::{self, Emulator, Options, Script};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;

/// A running STS on a thread of its own.
#[derive(Debug)]
pub struct Sts {
    pub emulator: Emulator,
    shutdown: CancellationToken,
}

impl Sts {
    pub fn start(script: Script) -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), script)
    }

    pub fn on(address: SocketAddr, script: Script) -> Self {
        let shutdown = CancellationToken::new();
        let options = Options { shutdown: shutdown.clone(), ..Options::new(Arc::new(SystemClock)) };
        let (sender, started) = channel();
        std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = emulator::bind(address).unwrap();
                let emulator = emulator::start(listener, script, options).unwrap();
                sender.send(emulator.clone()).unwrap();
                emulator.stopped().await;
            });
        });
        Self { emulator: started.recv().unwrap(), shutdown }
    }

    /// Waits until there were this many requests in all.
    pub fn reached(&self, total: u64) {
        let reached = async { tokio::time::timeout(PATIENCE, self.emulator.reached(total)).await };
        runtime().block_on(reached).expect("STS is asked in time");
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A runtime for a thread of its own.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A script whose sessions last this long.
pub fn sessions_of(seconds: u64) -> Script {
    Script { session: Some(Duration::from_secs(seconds)), ..Script::default() }
}

/// A profile that assumes a role with the keys of the embedded STS.
pub fn profile(sts: &Sts) -> (String, String) {
    let config = format!(
        "[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/team/deploy\n\
         source_profile = me\nregion = eu-central-1\nendpoint_url = {}\n",
        sts.emulator.endpoint_url()
    );
    (config, keys("me"))
}

/// A credentials file with the keys of the embedded STS.
pub fn keys(profile: &str) -> String {
    format!(
        "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        emulator::DEMO_ACCESS_KEY_ID,
        emulator::DEMO_SECRET_ACCESS_KEY
    )
}
