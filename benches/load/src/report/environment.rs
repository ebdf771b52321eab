//! Where a run was: figures of two machines, builds or settings aren't comparable, so a report says
//! which they were.

use std::collections::BTreeMap;
use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fingerprint of the machine of the generator and of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// When the run began, in microseconds since 1970.
    pub began_at: i64,
    /// The generator's processor.
    pub processor: Option<String>,
    /// How many of them it sees.
    pub processors: u64,
    /// Its memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Its kernel.
    pub kernel: Option<String>,
    /// Where the target is.
    pub target: String,
    /// Whether the target was started by the harness, so that both share one machine.
    pub is_own: bool,
    /// The target's version, as it says.
    pub server_version: Option<String>,
    /// The target's store, where it is known: `sqlite` or `postgresql`.
    pub store: Option<String>,
    /// The commit that the target was built from, where it is known.
    pub commit: Option<String>,
    /// Settings that the target was given and whatever else tells runs apart.
    pub settings: BTreeMap<String, String>,
}

impl Environment {
    /// What this machine says of itself; what is of the target is the caller's to fill in.
    #[must_use]
    pub fn of_this_machine(target: &str) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let kernel = read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
        Self {
            processor: read("/proc/cpuinfo").and_then(|text| processor(&text)),
            processors: std::thread::available_parallelism().map_or(0, |count| count.get() as u64),
            memory_bytes: read("/proc/meminfo").and_then(|text| memory_bytes(&text)),
            kernel,
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// What tells whether two runs can be compared, with what it is called.
    #[must_use]
    pub fn comparable(&self) -> [(&'static str, String); 6] {
        [
            ("processor", self.processor.clone().unwrap_or_default()),
            ("processors", self.processors.to_string()),
            ("kernel", self.kernel.clone().unwrap_or_default()),
            ("store", self.store.clone().unwrap_or_default()),
            ("own server", self.is_own.to_string()),
            // With its seed and its times: another name says nothing of what is in it.
            ("what the scenario says", self.settings.get("scenario").cloned().unwrap_or_default()),
        ]
    }
}

fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

fn processor(cpuinfo: &str) -> Option<String> {
    member(cpuinfo, "model name").map(str::to_owned)
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = member(meminfo, "MemTotal")?.strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let cpuinfo = "processor\t: 0\nvendor_id\t: x\nmodel name\t: A CPU @ 2 GHz\n";
        assert_eq!(processor(cpuinfo).as_deref(), Some("A CPU @ 2 GHz"));
        assert_eq!(processor("processor\t: 0\n"), None);
        assert_eq!(memory_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2_097_152));
    }
}
