//! The machine that a benchmark ran on, and what a process used of it.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Machine {
    processor: String,
    threads: usize,
    memory_mib: u64,
    system: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let processor = proc_field("/proc/cpuinfo", "model name").unwrap_or_else(|| "?".to_owned());
        Self {
            processor,
            threads: thread::available_parallelism().map_or(1, Into::into),
            memory_mib: proc_kib("/proc/meminfo", "MemTotal").unwrap_or(0) / 1_024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} threads, {} MiB, {}",
            self.processor, self.threads, self.memory_mib, self.system
        )
    }
}

/// The most memory that this process ever held, in MiB; nothing where the system does not say.
pub(crate) fn peak_memory_mib() -> Option<f64> {
    proc_kib("/proc/self/status", "VmHWM").map(|kib| kib as f64 / 1_024.0)
}

/// Lets [`peak_memory_mib`] begin anew with what the process holds now, where the system can.
pub(crate) fn forget_peak_memory() {
    // What is told then is the peak of all the time before.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The seconds of processors that this process took, all threads together.
pub(crate) fn cpu_seconds() -> f64 {
    // All Linux systems count them in hundredths for those who ask.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name of the program, which may have anything in it; the 14th and 15th field of all.
    let behind = text.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields = behind.split_whitespace().skip(11).take(2);
    let ticks = fields.filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

fn proc_kib(file: &str, name: &str) -> Option<u64> {
    proc_field(file, name)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn proc_field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
