//! How far long work has come, on the terminal of whoever typed the command.

use std::io::{self, Read};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use blindmatch_node::transport::control::{Progress as Said, Teller};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Global;

/// How often a bar is drawn, and how often whoever typed the command elsewhere is told.
const STEP: Duration = Duration::from_millis(200);

/// How far some work has come, for whoever wants to see it.
pub(crate) enum Progress {
    Nobody,
    /// The command runs in a process of its own, at a terminal.
    Here(Bar),
    /// It runs inside a node.
    There(Far),
}

/// What is told to another process.
pub(crate) struct Far {
    teller: Teller,
    state: Mutex<(Said, Option<Instant>)>,
}

impl Progress {
    /// Of `of` bytes, in a file of this name.
    pub(crate) fn of_bytes(of: u64, what: String, global: &Global) -> Self {
        let said = Said {
            done: 0,
            of,
            bytes: true,
            what,
        };
        Self::begin(said, global)
    }

    /// Of things; how many they are is [said](Self::is_of) later.
    pub(crate) fn of_things(global: &Global) -> Self {
        Self::begin(Said::default(), global)
    }

    fn begin(said: Said, global: &Global) -> Self {
        if global.quiet || !global.session.shows_progress() {
            return Self::Nobody;
        }
        match global.session.teller() {
            Some(teller) => Self::There(Far {
                teller,
                state: Mutex::new((said, None)),
            }),
            None => Self::Here(Bar::of(&said)),
        }
    }

    /// The work is of so much.
    pub(crate) fn is_of(&self, of: u64) {
        self.change(|said| said.of = of);
    }

    /// So much more of it is done.
    pub(crate) fn advance(&self, by: u64) {
        self.change(|said| said.done = said.done.saturating_add(by));
    }

    /// It is at this now, and one more thing is done.
    pub(crate) fn is_past(&self, what: String) {
        self.change(|said| {
            said.what = what;
            said.done = said.done.saturating_add(1);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        match self {
            Self::Nobody => {}
            Self::Here(bar) => bar.change(change),
            Self::There(far) => {
                let Ok(mut state) = far.state.lock() else {
                    return;
                };
                let (said, told) = &mut *state;
                change(said);
                if told.is_none_or(|told| told.elapsed() >= STEP) {
                    *told = Some(Instant::now());
                    far.teller.tell(said.clone());
                }
            }
        }
    }
}

/// A bar on this terminal, until it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    said: Mutex<Said>,
}

impl Bar {
    pub(crate) fn of(said: &Said) -> Self {
        let bar = Self {
            bar: ProgressBar::new(said.of).with_style(style(said.bytes)),
            said: Mutex::new(said.clone()),
        };
        bar.draw(said);
        bar.bar.enable_steady_tick(STEP);
        bar
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Said)) {
        if let Ok(mut said) = self.said.lock() {
            change(&mut said);
            self.draw(&said);
        }
    }

    fn draw(&self, said: &Said) {
        self.bar.set_length(said.of);
        self.bar.set_position(said.done);
        if self.bar.message() != said.what {
            self.bar.set_message(said.what.clone());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(bytes: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template(if bytes {
        "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left"
    } else {
        "{spinner} [{bar:30}] {pos}/{len} {msg}, {elapsed}"
    });
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is read through it counts.
pub(crate) struct Reading<'p, R> {
    pub(crate) from: R,
    pub(crate) progress: &'p Progress,
}

impl<R: Read> Read for Reading<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.progress.advance(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}
