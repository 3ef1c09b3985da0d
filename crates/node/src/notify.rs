//! Telling the operator's own programs of matches, each at least once (`spec/62-notify.md`).

mod told;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use blindmatch_feeds::is_exportable;
use blindmatch_indicator::{Canonicaliser, IndicatorType};
use blindmatch_store::keys::KeyError;
use blindmatch_transport::webhook::{Webhook, WebhookError};
use bytes::Bytes;
use rand::CryptoRng;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Notify;
use crate::error::Error;
use crate::matches::may_leave;
use crate::matches::{Kept, Match};
use crate::node::Node;

pub(crate) use told::FILE;
use told::Told;

/// Most notices of one message.
const MOST: usize = 256;
/// Most bytes of one message, and of one notice of a syslog.
const MESSAGE_BYTES: usize = 512 << 10;
const SYSLOG_BYTES: usize = 8 << 10;
/// Roots are a few hundred certificates.
const MAX_ROOTS: u64 = 4 << 20;

/// The key that receivers know messages by.
const KEY: &str = "notify";

const LEAD: &str = "A match is a lead: another member lists this identifier too.";

/// Where notices go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sink {
    /// A receiver by HTTPS.
    Webhook,
    /// A file of JSON lines.
    Spool,
    /// The system's log.
    Syslog,
}

/// What became of the notices for a sink.
#[derive(Debug)]
pub struct Delivered {
    /// The sink.
    pub sink: Sink,
    /// How many it has now that it had not.
    pub told: usize,
    /// How many it still has not, because of `fault`.
    pub waiting: usize,
    /// What went wrong.
    pub fault: Option<NotifyFault>,
}

/// Why a sink did not take notices.
#[derive(Debug)]
pub enum NotifyFault {
    /// The receiver did not.
    Webhook(WebhookError),
    /// A file or a socket did not.
    File(PathBuf, io::Error),
}

/// What is told of one match.
#[derive(Serialize)]
struct Notice<'a> {
    schema: &'static str,
    /// The same however often it is told.
    key: String,
    event: &'static str,
    /// What `matches show` takes.
    r#match: String,
    r#type: &'static str,
    collection: &'a str,
    case: &'a str,
    references: &'a [String],
    references_total: u32,
    first_found: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    note: &'static str,
}

/// What there is to tell of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// It was found.
    Found = 1,
    /// An operator confirmed it.
    Confirmed = 2,
    /// Its contributor withdrew it.
    Withdrawn = 3,
}

impl Node {
    /// The secret that messages are signed with; made where there is none, or where it is to be `new`.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn notify_secret(
        &self,
        new: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let failed = |error| Error::Key(KEY.to_owned(), error);
        let keys = self.home().named_keys();
        match keys.load(KEY) {
            Ok(key) if !new => {
                let key = key.as_slice().try_into().map(Zeroizing::new);
                return key.map_err(|_| failed(KeyError::Foreign));
            }
            Ok(_) | Err(KeyError::Missing) => {}
            Err(error) if !new => return Err(failed(error)),
            Err(_) => {}
        }
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        keys.store(KEY, key.as_slice()).map_err(failed)?;
        Ok(key)
    }

    /// Tells each configured sink of the matches that it was not told of. What a sink has is on disk
    /// before this goes on, so that a crash has it told again, and never left out.
    ///
    /// # Errors
    ///
    /// [`Error::Key`], and those of reading and writing what was told. What a sink does not take is in
    /// its [`Delivered`].
    pub async fn notify(
        &self,
        kept: &Kept,
        canonicaliser: &Canonicaliser,
    ) -> Result<Vec<Delivered>, Error> {
        let config = &self.config().notify;
        let _one = self.opened().notifying().await;
        let mut told = Told::read(self.disk())?;
        // What a damaged file has is not known, and may be put back.
        if kept.damaged.is_empty() && told.forget(&kept.matches) {
            self.publish(FILE, &told.encode())?;
        }
        let mut delivered = Vec::new();
        for sink in config.sinks() {
            let mut done = Delivered {
                sink,
                told: 0,
                waiting: 0,
                fault: None,
            };
            let due = due(&kept.matches, told.of(sink));
            done.waiting = due.len();
            for part in Parts::new(&due, config.values, canonicaliser) {
                match self.deliver(sink, &part).await? {
                    Ok(()) => {
                        told.add(sink, &part.keys);
                        self.publish(FILE, &told.encode())?;
                        done.told += part.keys.len();
                        done.waiting -= part.keys.len();
                    }
                    Err(fault) => {
                        done.fault = Some(fault);
                        break;
                    }
                }
            }
            delivered.push(done);
        }
        Ok(delivered)
    }

    async fn deliver(&self, sink: Sink, part: &Part) -> Result<Result<(), NotifyFault>, Error> {
        let config = &self.config().notify;
        Ok(match (sink, &config.spool, &config.syslog) {
            (Sink::Spool, Some(spool), _) => {
                append(spool, part).map_err(|error| NotifyFault::File(spool.clone(), error))
            }
            (Sink::Syslog, _, Some(socket)) => {
                log(socket, part).map_err(|error| NotifyFault::File(socket.clone(), error))
            }
            _ => {
                let secret = self.notify_secret(false, &mut rand::rng())?;
                let roots = match read_roots(&config.roots) {
                    Ok(roots) => roots,
                    Err(error) => {
                        return Ok(Err(NotifyFault::File(config.roots.clone(), error)));
                    }
                };
                let url = config.webhook.as_deref().unwrap_or_default();
                let most = Duration::from_secs(config.timeout_seconds.into());
                match Webhook::new(url, &roots, secret, most) {
                    Ok(webhook) => webhook.send(part.message(), &part.name(), self.now()).await,
                    Err(error) => Err(error),
                }
                .map_err(NotifyFault::Webhook)
            }
        })
    }
}

/// What a sink was not told, the oldest first.
fn due<'m>(matches: &'m [Match], told: &BTreeSet<told::Key>) -> Vec<(Event, &'m Match)> {
    let mut due = Vec::new();
    let shown = |found: &&Match| found.label.is_some() && found.shows;
    for found in matches.iter().filter(shown) {
        for event in [Event::Found, Event::Confirmed, Event::Withdrawn] {
            let is_so = match event {
                Event::Found => true,
                Event::Confirmed => may_leave(&found.life).is_ok(),
                Event::Withdrawn => found.life.withdrawn().is_some(),
            };
            if is_so && !told.contains(&told::key(event, found)) {
                due.push((event, found));
            }
        }
    }
    due.sort_by_key(|(event, found)| (found.first_found, found.id, *event));
    due
}

/// Notices of one message.
struct Part {
    keys: Vec<told::Key>,
    lines: Vec<String>,
}

/// All that is due, in messages of a bounded size.
struct Parts<'a> {
    due: &'a [(Event, &'a Match)],
    values: bool,
    canonicaliser: &'a Canonicaliser,
}

impl<'a> Parts<'a> {
    const fn new(
        due: &'a [(Event, &'a Match)],
        values: bool,
        canonicaliser: &'a Canonicaliser,
    ) -> Self {
        Self {
            due,
            values,
            canonicaliser,
        }
    }

    fn line(&self, event: Event, found: &Match) -> String {
        let kind = found.row.indicator_type();
        // Wanted, of a type that is ever written, and of a match that may leave.
        let leaves =
            self.values && kind.is_some_and(is_exportable) && may_leave(&found.life).is_ok();
        let value = leaves.then(|| self.canonicaliser.decode(found.row.as_bytes()));
        let notice = Notice {
            schema: "blindmatch.notice.v1",
            key: format!("{}.{}", found.id, event.name()),
            event: event.name(),
            r#match: found.id.to_string(),
            r#type: kind.map_or("unknown", IndicatorType::name),
            collection: &found.collection,
            case: &found.case,
            references: &found.references,
            references_total: found.references_total,
            first_found: found.first_found,
            value: value.flatten().map(|value| value.to_text().to_string()),
            note: LEAD,
        };
        serde_json::to_string(&notice).unwrap_or_default()
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let (mut keys, mut lines, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (event, found) in self.due.iter().take(MOST) {
            let line = self.line(*event, found);
            if !lines.is_empty() && bytes + line.len() > MESSAGE_BYTES {
                break;
            }
            bytes += line.len() + 1;
            keys.push(told::key(*event, found));
            lines.push(line);
        }
        self.due = self.due.get(keys.len()..).unwrap_or_default();
        (!keys.is_empty()).then_some(Part { keys, lines })
    }
}

impl Part {
    /// One JSON object.
    fn message(&self) -> Bytes {
        let notices = self.lines.join(",");
        Bytes::from(format!(
            "{{\"schema\":\"blindmatch.notices.v1\",\"notices\":[{notices}]}}"
        ))
    }

    /// The same for the same notices.
    fn name(&self) -> String {
        let mut digest = Sha256::new();
        for (event, id) in &self.keys {
            digest.update([*event]);
            digest.update(id.to_string());
        }
        let digest = digest.finalize();
        let first = digest.iter().take(16);
        first.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Appends lines durably. What a crash left of a line stays one by itself.
fn append(spool: &Path, part: &Part) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(spool)?;
    let mut text = String::new();
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    for line in &part.lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// RFC 5424: facility daemon (3), severity notice (5).
fn log(socket: &Path, part: &Part) -> io::Result<()> {
    let to = UnixDatagram::unbound()?;
    to.set_write_timeout(Some(Duration::from_secs(5)))?;
    to.connect(socket)?;
    for line in &part.lines {
        let message = format!("<29>1 - - blindmatch - match - {line}");
        let end = message.floor_char_boundary(SYSLOG_BYTES);
        to.send(message.get(..end).unwrap_or(&message).as_bytes())?;
    }
    Ok(())
}

fn read_roots(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_ROOTS {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path)
}

impl Notify {
    /// Where notices go.
    pub fn sinks(&self) -> impl Iterator<Item = Sink> + use<> {
        let sinks = [
            self.spool.as_ref().map(|_| Sink::Spool),
            self.syslog.as_ref().map(|_| Sink::Syslog),
            self.webhook.as_ref().map(|_| Sink::Webhook),
        ];
        sinks.into_iter().flatten()
    }
}

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Confirmed => "confirmed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Sink {
    /// The name, as in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Spool => "spool",
            Self::Syslog => "syslog",
        }
    }
}

impl fmt::Display for NotifyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(error) => error.fmt(f),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
