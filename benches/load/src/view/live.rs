//! A run in a terminal, drawn anew each second.

use std::io::{self, Stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Sparkline, Table};
use ratatui::{Frame, Terminal};

use super::Snapshot;
use crate::figures::quantile_ms;
use crate::names::{OUTCOMES, outcome_name};
use crate::record::Outcome;

/// Whether the terminal is ours.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Before anything is said of a panic, the terminal is given back: else it would go with the screen.
static PANICS_ARE_SEEN: Once = Once::new();

/// Without an answer for so many seconds, that is what there is to be seen.
const SILENT_S: u64 = 3;

const QUIET: Style = Style::new().fg(Color::DarkGray);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red);
const GOOD: Style = Style::new().fg(Color::Green);

/// A terminal that is ours until it is dropped, or something panics.
#[derive(Debug)]
pub struct Live {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Live {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal's; it is given back then.
    pub fn begin() -> io::Result<Self> {
        PANICS_ARE_SEEN.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        let taken = execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match taken {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws what there is to see.
    ///
    /// # Errors
    /// The terminal's.
    pub fn show(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        if !IS_TAKEN.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.terminal.draw(|frame| draw(frame, snapshot)).map(|_| ())
    }

    /// Whether somebody has pressed `q` or Ctrl-C since the last time. A terminal that is ours sends no
    /// signal for the latter.
    ///
    /// # Errors
    /// The terminal's.
    pub fn asked_to_stop(&mut self) -> io::Result<bool> {
        let mut asked = false;
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                let is_interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                let is_stop = key.code == KeyCode::Char('q') || is_interrupt;
                asked |= is_stop && key.kind == KeyEventKind::Press;
            }
        }
        Ok(asked)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back where it is ours. Whatever fails here, there is nobody left to tell.
pub(crate) fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    drop(execute!(io::stdout(), LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
}

fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot) {
    let [head, bar, figures, rates, latencies, faults] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        // A row for each outcome, one for what was dropped, and the heads.
        Constraint::Length(11),
        Constraint::Min(3),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(heading(snapshot), head);
    frame.render_widget(gauge(snapshot), bar);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(figures);
    frame.render_widget(percentiles(snapshot), left);
    frame.render_widget(outcomes(snapshot), right);
    let recent = || snapshot.recent.iter();
    spark(frame, rates, "acknowledged a second", recent().map(|one| one.acknowledged));
    spark(frame, latencies, "p99 in ms", recent().map(|one| one.p99_ms));
    frame.render_widget(struck(snapshot), faults);
}

fn heading(snapshot: &Snapshot) -> Paragraph<'_> {
    let last = &snapshot.last;
    let acknowledged = last.ended.get(&Outcome::Acknowledged).copied().unwrap_or_default();
    let mut spans = vec![
        Span::styled(snapshot.scenario.as_str(), STRONG),
        Span::styled(format!("  {} of {} s  ", snapshot.second, snapshot.ends_at_s()), QUIET),
    ];
    if snapshot.second == 0 {
        spans.push(Span::raw("begins"));
    } else if snapshot.silent_s >= SILENT_S {
        spans.push(Span::styled(format!("no answer for {} s", snapshot.silent_s), BAD));
    } else {
        spans.push(Span::styled(format!("{acknowledged}/s"), STRONG));
        let more = format!(" of {} intended  {} in flight", last.intended, last.in_flight);
        spans.push(Span::raw(more));
    }
    let keys = if snapshot.is_ending {
        Span::styled("  ends with what is under way; q once more ends it at once", BAD)
    } else {
        Span::styled("  q ends the run", QUIET)
    };
    spans.push(keys);
    Paragraph::new(Line::from(spans))
}

/// The phase, and how much of it has passed.
fn gauge(snapshot: &Snapshot) -> Gauge<'_> {
    let (ratio, label) = match snapshot.phase() {
        Some((name, passed)) => {
            let place = snapshot.phases.iter().take_while(|phase| phase.name != name).count() + 1;
            (passed, format!("{name}, {place} of {} phases", snapshot.phases.len()))
        }
        None => (1.0, "what has begun comes to its end".to_owned()),
    };
    let style = Style::new().fg(Color::Blue);
    Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label).gauge_style(style)
}

/// A row of a name and numbers.
fn row(name: &'static str, numbers: impl IntoIterator<Item = String>) -> Row<'static> {
    let numbers = numbers.into_iter().map(|text| Text::from(text).right_aligned());
    Row::new(std::iter::once(Text::from(name)).chain(numbers))
}

fn percentiles(snapshot: &Snapshot) -> Table<'static> {
    let windows = snapshot.windows();
    let ms = |histogram: &Histogram<u64>, quantile: f64| {
        if histogram.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.1}", quantile_ms(histogram, quantile))
        }
    };
    let rows = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
    let rows =
        rows.map(|(name, quantile)| row(name, windows.each_ref().map(|of| ms(of, quantile))));
    let widths = [
        Constraint::Length(6),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    Table::new(rows, widths)
        .header(row("ms", ["corrected", "raw", "lag"].map(str::to_owned)).style(QUIET))
        .block(Block::bordered().title(" latency, last 10 s "))
}

fn outcomes(snapshot: &Snapshot) -> Table<'static> {
    let of = |outcome: Outcome| {
        let count = snapshot.outcomes.get(&outcome).copied().unwrap_or_default();
        let last = snapshot.last.ended.get(&outcome).copied().unwrap_or_default();
        let style = match (outcome, last) {
            (Outcome::Acknowledged, _) => GOOD,
            (_, 0) => QUIET,
            _ => BAD,
        };
        row(outcome_name(outcome), [last, count].map(|count| count.to_string())).style(style)
    };
    let dropped = [snapshot.last.dropped, snapshot.dropped];
    let style = if dropped[0] > 0 { BAD } else { QUIET };
    let dropped = row("dropped", dropped.map(|count| count.to_string())).style(style);
    let widths = [Constraint::Length(12), Constraint::Length(9), Constraint::Length(11)];
    Table::new(OUTCOMES.map(of).into_iter().chain([dropped]), widths)
        .header(row("", ["a second", "in all"].map(str::to_owned)).style(QUIET))
        .block(Block::bordered().title(" outcomes "))
}

fn spark(frame: &mut Frame<'_>, area: Rect, title: &str, values: impl Iterator<Item = f64>) {
    // Tenths, so that a p99 below a millisecond is no empty plot.
    let tenths: Vec<u64> = values.map(tenth).collect();
    let width = usize::from(area.width.saturating_sub(2));
    let shown = &tenths[tenths.len().saturating_sub(width)..];
    let most = shown.iter().max().copied().unwrap_or(0);
    let most = match most % 10 {
        0 => (most / 10).to_string(),
        tenths => format!("{}.{tenths}", most / 10),
    };
    let title = format!(" {title}, highest {most} ");
    let spark = Sparkline::default().data(shown).style(Style::new().fg(Color::Cyan));
    frame.render_widget(spark.block(Block::bordered().title(title)), area);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and latencies are positive and small"
)]
fn tenth(value: f64) -> u64 {
    (value * 10.0).round() as u64
}

/// The faults, the last one first.
fn struck(snapshot: &Snapshot) -> Paragraph<'_> {
    if snapshot.faults.is_empty() {
        return Paragraph::new(Span::styled("no fault so far", QUIET));
    }
    let mut spans = Vec::new();
    for fault in snapshot.faults.iter().rev() {
        let (since, style) = if fault.is_over { ("at", QUIET) } else { ("since", BAD) };
        let separator = if spans.is_empty() { "" } else { ", " };
        spans.push(Span::styled(separator, QUIET));
        spans.push(Span::styled(format!("{} {since} {} s", fault.name, fault.from_s), style));
    }
    Paragraph::new(Line::from(spans))
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    fn drawn(width: u16, height: u16) -> String {
        of(&super::super::tests::snapshot(), width, height)
    }

    fn of(snapshot: &Snapshot, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, snapshot)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_screen_has_rate_phase_percentiles_outcomes_and_faults() {
        let screen = drawn(80, 24);
        for part in [
            "steady  12 of 30 s  100/s of 102 intended  4 in flight  q ends the run",
            "main, 1 of 1 phases",
            "p99.9 ",
            "broken               2          24",
            "dropped              0           0",
            "highest 900",
            "kill since 11 s",
        ] {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
    }

    #[test]
    fn a_run_that_has_not_begun_is_silent_or_over_says_so() {
        let mut snapshot = super::super::tests::snapshot();
        snapshot.silent_s = SILENT_S;
        snapshot.taken_back("kill");
        let screen = of(&snapshot, 80, 24);
        assert!(screen.contains("no answer for 3 s  q ends"), "{screen}");
        assert!(screen.contains("kill at 11 s") && !screen.contains("intended"), "{screen}");
        snapshot.second = 30;
        assert!(of(&snapshot, 80, 24).contains("comes to its end"));
        let new = of(&Snapshot::new("a", snapshot.phases), 80, 24);
        assert!(new.contains("a  0 of 30 s  begins") && new.contains("no fault so far"), "{new}");
    }

    #[test]
    fn a_small_terminal_is_enough_to_draw_in() {
        for (width, height) in [(40, 12), (10, 3), (1, 1)] {
            drawn(width, height);
        }
    }
}
