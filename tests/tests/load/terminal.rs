//! A run as it is seen in a terminal, and what is left of the terminal behind it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use coppice_testkit::binary;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

const ALTERNATE_SCREEN: &str = "\x1b[?1049h";
const SCREEN_BEFORE: &str = "\x1b[?1049l";
const PATIENCE: Duration = Duration::from_secs(60);

/// The other end of a terminal that a run has been given.
struct Terminal {
    keys: File,
    line: OwnedFd,
    /// Its settings before anybody had it.
    before: Termios,
    child: Running,
    shown: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

/// A run, which ends with the test at the latest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended can't be killed, and that is what is wanted.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl Terminal {
    /// Begins a run that is the only one of its process group, as a shell would have it.
    fn run(scenario: &str, out: &TempDir) -> Self {
        // Whatever else is started meanwhile doesn't get it too.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let line = ioctl_tiocgptpeer(&ours, flags).unwrap();
        let file = out.path().join("scenario.toml");
        std::fs::write(&file, scenario).unwrap();
        let before = tcgetattr(&line).unwrap();
        let end = || line.try_clone().unwrap();
        let child = Command::new(binary())
            .arg("load")
            .args([file.as_path(), "--out".as_ref(), out.path()])
            .env("TERM", "xterm-256color")
            .env_remove("COPPICE_API_KEY")
            .process_group(0)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let keys = File::from(ours);
        let (mut screen, seen) = (keys.try_clone().unwrap(), Arc::clone(&shown));
        let reading = std::thread::spawn(move || {
            let mut some = [0; 4096];
            // What nobody holds the other end of any more ends with an error.
            while let Ok(read @ 1..) = screen.read(&mut some) {
                seen.lock().unwrap().extend_from_slice(&some[..read]);
            }
        });
        Self { keys, line, before, child: Running(child), shown, reading }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn waits_for(&self, words: &str) {
        let begun = Instant::now();
        while !drawn(&self.shown()).contains(&drawn(words)) {
            assert!(begun.elapsed() < PATIENCE, "{words}: {}", self.shown());
            sleep(Duration::from_millis(20));
        }
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.line).unwrap()
    }

    fn presses(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// How the run ended, how it left the terminal, and all that was shown.
    fn ended(mut self) -> (ExitStatus, Termios, String) {
        let status = self.child.0.wait().unwrap();
        let left = self.settings();
        drop(self.line);
        self.reading.join().unwrap();
        let shown = self.shown.lock().unwrap();
        (status, left, String::from_utf8_lossy(&shown).into_owned())
    }
}

/// What was drawn, without where and how, and without spaces: one that was there is left out.
fn drawn(shown: &str) -> String {
    let mut text = String::new();
    let mut pieces = shown.split("\x1b[");
    text.extend(pieces.next());
    for piece in pieces {
        // A sequence ends with a letter.
        let end =
            piece.find(|one: char| one.is_ascii_alphabetic()).map_or(piece.len(), |at| at + 1);
        text.push_str(&piece[end..]);
    }
    text.retain(|one| !one.is_whitespace());
    text
}

/// That a line is edited and echoed again, as by whoever had the terminal before.
fn is_given_back(before: &Termios, left: &Termios, shown: &str) {
    assert_eq!(left.local_modes, before.local_modes);
    assert_eq!(left.input_modes, before.input_modes);
    assert_eq!(left.output_modes, before.output_modes);
    assert!(shown.contains(ALTERNATE_SCREEN), "{shown}");
    assert!(shown.rfind(SCREEN_BEFORE) > shown.rfind(ALTERNATE_SCREEN), "{shown}");
}

/// One phase and nothing before it.
fn scenario(for_s: u32) -> String {
    let (head, rest) = super::BRIEF.split_once("[capacity]").unwrap();
    let (_, phases) = rest.split_once("[[phases]]").unwrap();
    let phases = phases.replace("for_s = 6", &format!("for_s = {for_s}"));
    format!("{head}[[phases]]{phases}")
}

#[test]
fn a_run_is_drawn_in_a_terminal_which_then_has_the_summary_on_its_own_screen() {
    let out = TempDir::new().unwrap();
    let terminal = Terminal::run(&scenario(3), &out);
    let before = terminal.before.clone();
    terminal.waits_for("half, 1 of 1 phases");
    assert_ne!(terminal.settings().local_modes, before.local_modes, "keys come one by one");
    let (status, left, shown) = terminal.ended();
    assert_eq!(status.code(), Some(0), "{shown}");
    is_given_back(&before, &left, &shown);
    for part in ["latency, last 10 s", "acknowledged a second", "p99 in ms", "q ends the run"] {
        assert!(drawn(&shown).contains(&drawn(part)), "{part}: {shown}");
    }
    let (_, afterwards) = shown.rsplit_once(SCREEN_BEFORE).unwrap();
    assert!(afterwards.contains("brief: pass"), "{afterwards}");
}

/// What is under way comes to its end, and the node with it.
#[test]
fn a_key_ends_a_run_before_its_time_and_the_terminal_is_given_back() {
    for key in [b"q", b"\x03"] {
        let out = TempDir::new().unwrap();
        let mut terminal = Terminal::run(&scenario(600), &out);
        let before = terminal.before.clone();
        // The node serves, and the run is under way.
        terminal.waits_for("in flight");
        terminal.presses(key);
        let (status, left, shown) = terminal.ended();
        assert_eq!(status.code(), Some(1), "{status}: {shown}");
        is_given_back(&before, &left, &shown);
        assert!(shown.contains("the run was ended before its time"), "{shown}");
        assert!(!out.path().join("report.json").exists(), "nothing is judged");
    }
}
