//! Answers of the API as lines of text.
//!
//! They are read member by member: a node of another build shows what it has, and a dash where it
//! has nothing.

use coppice_core::calendar::utc;
use serde_json::Value;

/// Text without control characters, which would be commands to the terminal.
pub(crate) fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(shown).collect()
}

/// A member as text: strings as they are, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// A time, whether it comes as a number or as text.
fn time(value: &Value) -> String {
    value.as_i64().map_or_else(|| shown(value), utc)
}

fn rows<'a>(answer: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    answer[member].as_array().into_iter().flatten()
}

/// Columns as wide as what is in them; the last one ends the line.
pub(crate) fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(at, cell)| {
            if at + 1 == line.len() {
                cell.clone()
            } else {
                format!("{cell:<wide$}", wide = width(at))
            }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// How to ask for the next page, where there is one.
fn more(answer: &Value, member: &str, flag: &str) -> String {
    match &answer[member] {
        Value::Null => String::new(),
        next => format!("more: {flag} {}\n", shown(next)),
    }
}

pub(super) fn tree(answer: &Value) -> String {
    let mut parts = Vec::new();
    part(&answer["tree"], 0, &mut parts);
    let mut text = table(&["part", "state", "lives", "in window", "last exit"], parts.into_iter());
    let members: [(&str, &[&str]); 2] = [
        ("kinds", &["kind", "residents", "crashes_total", "stuck"]),
        ("pools", &["name", "outstanding", "calls_total", "settled_total", "computed_total"]),
    ];
    for (member, columns) in members {
        let cells = |row: &Value| columns.iter().map(|column| shown(&row[*column])).collect();
        let heads: Vec<_> = std::iter::once(&member).chain(&columns[1..]).copied().collect();
        text.push('\n');
        text.push_str(&table(&heads, rows(answer, member).map(cells)));
    }
    let writer = &answer["writer"];
    text.push_str(&format!(
        "\nwriter: degraded {}, waiting {}, batches {}, committed {}, fallen {}; timers {}\n",
        shown(&writer["degraded"]),
        shown(&writer["waiting"]),
        shown(&writer["batches_total"]),
        shown(&writer["committed_total"]),
        shown(&writer["fallen_total"]),
        shown(&answer["timers"])
    ));
    text
}

fn part(node: &Value, depth: usize, lines: &mut Vec<Vec<String>>) {
    let cell = |member: &str| shown(&node[member]);
    let name = format!("{}{}", "  ".repeat(depth), cell("name"));
    let (state, lives, window) = (cell("state"), cell("incarnation"), cell("restarts_in_window"));
    lines.push(vec![name, state, lives, window, cell("last_exit")]);
    for child in rows(node, "children") {
        part(child, depth + 1, lines);
    }
}

pub(super) fn entity(answer: &Value) -> String {
    // A value always serializes. JSON escapes some control characters and leaves others.
    let state = serde_json::to_string_pretty(&answer["state"]).unwrap_or_default();
    let state = state.lines().map(plain).collect::<Vec<_>>().join("\n");
    let name = format!("{}/{}", shown(&answer["kind"]), shown(&answer["id"]));
    format!("{name} at sequence {}\n{state}\n", shown(&answer["sequence"]))
}

pub(super) fn events(answer: &Value) -> String {
    let cells = |row: &Value| {
        let cell = |member: &str| shown(&row[member]);
        let (recorded, data) = (time(&row["recorded_at"]), cell("data"));
        vec![cell("sequence"), cell("position"), recorded, cell("type"), cell("causation"), data]
    };
    let heads = ["sequence", "position", "recorded at", "type", "causation", "data"];
    table(&heads, rows(answer, "events").map(cells)) + &more(answer, "next_cursor", "--cursor")
}

pub(super) fn dead_letters(answer: &Value) -> String {
    let cells = |row: &Value| {
        let cell = |member: &str| shown(&row[member]);
        let entity = format!("{}/{}", cell("kind"), cell("entity"));
        let message = format!("{} {}", cell("message"), cell("name"));
        let (number, id, reason, detail) =
            (cell("number"), cell("id"), cell("reason"), cell("detail"));
        vec![number, id, time(&row["at"]), entity, message, cell("attempts"), reason, detail]
    };
    let heads = ["number", "id", "since", "entity", "message", "tries", "reason", "detail"];
    table(&heads, rows(answer, "dead_letters").map(cells)) + &more(answer, "next_after", "--after")
}

pub(super) fn actors(answer: &Value) -> String {
    let cells = |row: &Value| {
        let members = [
            "id",
            "temperature",
            "activity",
            "activity_ms",
            "waits_for",
            "mailbox_len",
            "tickets_open",
            "crashes_total",
            "quarantined",
            "last_error",
        ];
        members.iter().map(|member| shown(&row[*member])).collect()
    };
    let heads = [
        "id",
        "temperature",
        "activity",
        "for ms",
        "waits for",
        "mailbox",
        "tickets",
        "crashes",
        "quarantined",
        "last error",
    ];
    table(&heads, rows(answer, "actors").map(cells))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_stand_in_columns_and_the_next_page_is_told() {
        let event = json!({
            "position": 7, "kind": "counter", "id": "a", "sequence": 3, "event_id": "e",
            "type": "counter.added.v1", "recorded_at": 0, "causation": "c", "correlation": "r",
            "workflow": null, "policy_bundle": null, "subject": null, "previous_hash": "00",
            "hash": "01", "data": {"n": 1},
        });
        let text = events(&json!({"events": [event], "next_cursor": "3"}));
        let expected = "sequence  position  recorded at                  type              \
             causation  data\n3         7         1970-01-01T00:00:00.000000Z  counter.added.v1  \
             c          {\"n\":1}\nmore: --cursor 3\n";
        assert_eq!(text, expected);
        let heads = events(&json!({"events": [], "next_cursor": null}));
        assert_eq!(heads, "sequence  position  recorded at  type  causation  data\n");
    }

    #[test]
    fn what_a_node_says_is_no_command_to_the_terminal() {
        let detail = "\u{1b}[2Jgone\u{9b}1m";
        let letter = json!({"number": 1, "detail": detail, "name": "a\nb"});
        let letters = dead_letters(&json!({"dead_letters": [letter]}));
        let state = json!({"text": detail, "kind": detail});
        for text in [letters, entity(&json!({"kind": detail, "state": state})), plain(detail)] {
            let commands = text.chars().filter(|letter| letter.is_control() && *letter != '\n');
            assert_eq!(commands.count(), 0, "{text:?}");
        }
    }

    #[test]
    fn an_answer_that_lacks_everything_is_shown_as_such() {
        assert!(tree(&json!({})).starts_with("part  state"));
        assert_eq!(entity(&json!({})), "-/- at sequence -\nnull\n");
        assert!(actors(&json!({"actors": [{}]})).contains('-'));
    }
}
