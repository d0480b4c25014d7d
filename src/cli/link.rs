//! `assumed link`: the metadata addresses on an interface of this machine.
//!
//! The only verb that needs a right of the system, `CAP_NET_ADMIN`, so that the
//! daemon never does. Refuses to hide a metadata service that is there already.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Globals;
use super::reach::{say, say_json, sources};
use crate::fatal::{Exit, Fatal};
use crate::sys::link::{self, Interface, Memory, Owned, Place};

/// What clients of AWS are built to ask: EC2, ECS and EKS.
const KNOWN: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"];
/// A metadata service of a cloud answers sooner.
const PATIENCE: Duration = Duration::from_millis(500);

/// Put the addresses that SDKs ask on this machine, or take them away
///
/// Example: assumed link up
#[derive(Debug, Args)]
pub(super) struct Link {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Add addresses; what is there already is left as it is
    Up(Up),
    /// Remove what `up` added, and nothing else
    Down(Whereon),
    /// Show which of the addresses are on this machine
    Status,
}

#[derive(Debug, Args)]
struct Up {
    /// Which ones
    #[arg(value_name = "ADDRESS", default_value = "169.254.169.254", value_parser = known)]
    addresses: Vec<IpAddr>,
    /// Even where another metadata service answers
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    whereon: Whereon,
}

#[derive(Debug, Args)]
struct Whereon {
    /// On which interface
    #[arg(long, value_name = "NAME", default_value = link::LOOPBACK)]
    interface: String,
}

pub(super) fn main(link: &Link, globals: &Globals) -> Result<ExitCode, Fatal> {
    let memory = Memory::new(&folder(globals)?);
    let owned = memory.read().map_err(|unfit| {
        Fatal::new(Exit::Settings, unfit.to_string()).hint("mend its owner and mode, or remove it")
    })?;
    match &link.order {
        Order::Up(up) => up.carry_out(&memory, owned),
        Order::Down(whereon) => down(&whereon.interface, &memory, owned),
        Order::Status => status(&owned, globals.json),
    }?;
    Ok(ExitCode::SUCCESS)
}

impl Up {
    fn carry_out(&self, memory: &Memory, mut owned: Owned) -> Result<(), Fatal> {
        let name = &self.whereon.interface;
        let interface = Interface::named(name).map_err(|error| failed(name, &error))?;
        let there = addresses()?;
        for address in &self.addresses {
            if !self.force {
                unclaimed(*address, name, &there)?;
            }
            let added = interface.add(*address).map_err(|error| failed(name, &error))?;
            if added {
                owned.0.push(Place { address: *address, interface: name.clone() });
                memory.keep(&owned).map_err(|error| unkept(&error))?;
            }
            say(&format!("{address} {} on {name}\n", if added { "is" } else { "was already" }));
        }
        Ok(())
    }
}

fn down(name: &str, memory: &Memory, owned: Owned) -> Result<(), Fatal> {
    let (ours, others) = owned.0.into_iter().partition(|place| place.interface == name);
    let ours: Vec<Place> = ours;
    if ours.is_empty() {
        say(&format!("nothing of ours is on {name}\n"));
        return Ok(());
    }
    let interface = Interface::named(name).map_err(|error| failed(name, &error))?;
    for place in ours {
        let removed = interface.remove(place.address).map_err(|error| failed(name, &error))?;
        let how = if removed { "is no longer" } else { "was not any more" };
        say(&format!("{} {how} on {name}\n", place.address));
    }
    memory.keep(&Owned(others)).map_err(|error| unkept(&error))
}

fn status(owned: &Owned, json: bool) -> Result<(), Fatal> {
    let there = addresses()?;
    let known = KNOWN.iter().filter_map(|address| address.parse::<IpAddr>().ok());
    let shown = known.map(|address| (address, there.iter().find(|place| place.address == address)));
    let is_ours = |place: &Place| owned.has(place.address, &place.interface);
    if json {
        let shown = shown.map(|(address, place)| {
            json!({
                "address": address,
                "interface": place.map(|place| &place.interface),
                "ours": place.is_some_and(is_ours),
            })
        });
        say_json(&shown.collect::<Vec<_>>());
        return Ok(());
    }
    for (address, place) in shown {
        let where_to = match place {
            None => "not on this machine".to_owned(),
            Some(place) if is_ours(place) => format!("on {}", place.interface),
            Some(place) => format!("on {}, not by us", place.interface),
        };
        say(&format!("{:<16} {where_to}\n", address.to_string()));
    }
    Ok(())
}

/// Refuses where an address is somebody else's: another interface's, or a whole cloud's.
fn unclaimed(address: IpAddr, name: &str, there: &[Place]) -> Result<(), Fatal> {
    let taken = |message| {
        Fatal::new(Exit::Unavailable, message).hint("--force hides it from this machine's programs")
    };
    match there.iter().find(|place| place.address == address) {
        Some(place) if place.interface == name => Ok(()),
        Some(place) => Err(taken(format!("{address} is on {} already", place.interface))),
        None => match TcpStream::connect_timeout(&SocketAddr::new(address, 80), PATIENCE) {
            Ok(_) => Err(taken(format!("a metadata service answers on {address}"))),
            Err(_) => Ok(()),
        },
    }
}

fn addresses() -> Result<Vec<Place>, Fatal> {
    link::addresses().map_err(|error| {
        Fatal::new(Exit::Unavailable, format!("cannot list the addresses of this machine: {error}"))
    })
}

fn failed(name: &str, error: &io::Error) -> Fatal {
    let fatal =
        Fatal::new(Exit::Unavailable, format!("cannot change the addresses of {name}: {error}"));
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            fatal.hint(format!("this takes {}: try it with sudo", link::RIGHT))
        }
        _ => fatal,
    }
}

fn unkept(error: &io::Error) -> Fatal {
    Fatal::new(Exit::Settings, format!("cannot remember what was added: {error}"))
        .hint("may this user write there? --state-dir chooses another")
}

fn folder(globals: &Globals) -> Result<PathBuf, Fatal> {
    sources(globals).whereabouts().state_dir.ok_or_else(|| {
        Fatal::new(Exit::Settings, "no state directory: there is no home")
            .hint("--state-dir names one")
    })
}

fn known(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "an address is wanted".to_owned())?;
    if KNOWN.iter().any(|known| known.parse() == Ok(address)) {
        return Ok(address);
    }
    Err(format!("known ones are {}", KNOWN.join(", ")))
}
