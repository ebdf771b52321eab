//! A run in a terminal, drawn anew each second.

use std::io::{self, Stdout};
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
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Sparkline, Table};
use ratatui::{Frame, Terminal};

use super::Snapshot;
use crate::figures::quantile_ms;
use crate::names::{OUTCOMES, outcome_name};
use crate::record::Outcome;

const QUIET: Style = Style::new().fg(Color::DarkGray);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red);
const GOOD: Style = Style::new().fg(Color::Green);

/// A terminal that is ours until it is dropped.
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
        enable_raw_mode()?;
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

/// Whatever fails here, there is nobody left to tell.
fn give_back() {
    drop(execute!(io::stdout(), LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
}

fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot) {
    let [head, bar, figures, rates, latencies, faults] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(10),
        Constraint::Min(3),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(heading(snapshot), head);
    let (phase, passed) = snapshot.phase().unwrap_or(("over", 1.0));
    let gauge = Gauge::default().ratio(passed.clamp(0.0, 1.0)).label(phase.to_owned());
    frame.render_widget(gauge.gauge_style(Style::new().fg(Color::Blue)), bar);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(figures);
    frame.render_widget(percentiles(snapshot), left);
    frame.render_widget(outcomes(snapshot), right);
    let recent = || snapshot.recent.iter();
    spark(frame, rates, "acknowledged per second", recent().map(|one| one.acknowledged));
    spark(frame, latencies, "p99 in milliseconds", recent().map(|one| one.p99_ms));
    frame.render_widget(struck(snapshot), faults);
}

fn heading(snapshot: &Snapshot) -> Paragraph<'_> {
    let last = &snapshot.last;
    let acknowledged = last.ended.get(&Outcome::Acknowledged).copied().unwrap_or_default();
    Paragraph::new(Line::from(vec![
        Span::styled(snapshot.scenario.as_str(), STRONG),
        Span::styled(format!("  {} of {} s  ", snapshot.second, snapshot.ends_at_s()), QUIET),
        Span::styled(format!("{acknowledged}/s"), STRONG),
        Span::raw(format!(" of {} intended  {} in flight", last.intended, last.in_flight)),
        Span::styled("  q ends the run", QUIET),
    ]))
}

fn percentiles(snapshot: &Snapshot) -> Table<'static> {
    let [corrected, service, lag] = snapshot.windows();
    let ms = |histogram: &Histogram<u64>, quantile: f64| {
        if histogram.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.1}", quantile_ms(histogram, quantile))
        }
    };
    let row = |(name, quantile): (&'static str, f64)| {
        let of = |histogram| ms(histogram, quantile);
        Row::new([name.to_owned(), of(&corrected), of(&service), of(&lag)])
    };
    let rows = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)].map(row);
    let widths =
        [Constraint::Length(7), Constraint::Min(9), Constraint::Min(9), Constraint::Min(9)];
    Table::new(rows, widths)
        .header(Row::new(["ms", "corrected", "raw", "lag"]).style(QUIET))
        .block(Block::bordered().title(" latency, last 10 s "))
}

fn outcomes(snapshot: &Snapshot) -> Table<'static> {
    let row = |outcome: Outcome| {
        let count = snapshot.outcomes.get(&outcome).copied().unwrap_or_default();
        let last = snapshot.last.ended.get(&outcome).copied().unwrap_or_default();
        let style = match (outcome, last) {
            (Outcome::Acknowledged, _) => GOOD,
            (_, 0) => QUIET,
            _ => BAD,
        };
        let name = outcome_name(outcome).to_owned();
        Row::new([name, last.to_string(), count.to_string()]).style(style)
    };
    let dropped = [("dropped", snapshot.last.dropped, snapshot.dropped)];
    let dropped = dropped.map(|(name, last, all)| {
        let style = if last > 0 { BAD } else { QUIET };
        Row::new([name.to_owned(), last.to_string(), all.to_string()]).style(style)
    });
    let widths = [Constraint::Length(13), Constraint::Min(7), Constraint::Min(9)];
    Table::new(OUTCOMES.map(row).into_iter().chain(dropped), widths)
        .header(Row::new(["", "a second", "in all"]).style(QUIET))
        .block(Block::bordered().title(" outcomes "))
}

fn spark(frame: &mut Frame<'_>, area: Rect, title: &str, values: impl Iterator<Item = f64>) {
    // Tenths, so that a p99 below a millisecond is no empty plot.
    let tenths: Vec<u64> = values.map(tenth).collect();
    let width = usize::from(area.width.saturating_sub(2));
    let shown = &tenths[tenths.len().saturating_sub(width)..];
    let most = shown.iter().max().copied().unwrap_or(0);
    let title = format!(" {title}, at most {}.{} ", most / 10, most % 10);
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

fn struck(snapshot: &Snapshot) -> Paragraph<'_> {
    let mut spans = vec![Span::styled("faults ", QUIET)];
    for fault in snapshot.faults.iter().rev() {
        let style = if fault.is_over { QUIET } else { BAD };
        spans.push(Span::styled(format!(" {} at {} s", fault.name, fault.from_s), style));
    }
    Paragraph::new(Line::from(spans))
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    fn drawn(width: u16, height: u16) -> String {
        let snapshot = super::super::tests::snapshot();
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &snapshot)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_screen_has_rate_phase_percentiles_outcomes_and_faults() {
        let screen = drawn(100, 30);
        for part in
            ["steady", "12 of 30 s", "100/s", "main", "p99.9", "broken", "24", "kill at 11 s"]
        {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
    }

    #[test]
    fn a_small_terminal_is_enough_to_draw_in() {
        for (width, height) in [(40, 12), (10, 3), (1, 1)] {
            drawn(width, height);
        }
    }
}
