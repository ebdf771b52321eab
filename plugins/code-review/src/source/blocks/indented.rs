//! Blocks by indentation: Python.

use super::super::Line;
use super::super::statement::open_brackets;
use super::{BlockKind, Blocks, is_async_header};

pub(super) fn blocks(lines: &[Line<'_>]) -> Blocks {
    let mut blocks = Blocks::default();
    // Open blocks with the indentation of their headers.
    let mut stack: Vec<(usize, usize)> = Vec::new();
    // A statement that goes on over lines: where it began, its brackets, its text.
    let mut running: Option<(usize, i64, String)> = None;
    let mut last_code = 0;
    for (at, line) in lines.iter().enumerate() {
        let code = line.code().trim();
        if code.is_empty() {
            blocks.at_start.push(stack.last().map(|(block, _)| *block));
            continue;
        }
        let (first, open, text) = match running.take() {
            Some((first, open, text)) => {
                blocks.at_start.push(stack.last().map(|(block, _)| *block));
                (first, open, text + " " + code)
            }
            None => {
                let indent = line.indent();
                while stack.last().is_some_and(|(_, header)| indent <= *header) {
                    if let Some((block, _)) = stack.pop() {
                        blocks.list[block].last = Some(last_code);
                    }
                }
                blocks.at_start.push(stack.last().map(|(block, _)| *block));
                (at, 0, code.to_owned())
            }
        };
        last_code = at;
        let open = open + open_brackets(code);
        if open > 0 || code.ends_with('\\') {
            running = Some((first, open, text));
        } else if text.ends_with(':') {
            let parent = stack.last().map(|(block, _)| *block);
            let block = blocks.open(kind(&text), &text, first, at, parent);
            stack.push((block, lines[first].indent()));
        }
    }
    blocks
}

fn kind(header: &str) -> BlockKind {
    let word = header.trim_start_matches("async ");
    let word = word.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    match word {
        "def" if is_async_header(header) => BlockKind::AsyncFunction,
        "def" => BlockKind::Function,
        "for" | "while" => BlockKind::Loop,
        "if" | "elif" | "else" => BlockKind::Condition,
        "match" | "case" => BlockKind::Switch,
        "try" => BlockKind::Try,
        "except" => BlockKind::Catch,
        "finally" => BlockKind::Finally,
        "class" => BlockKind::Type,
        _ => BlockKind::Other,
    }
}
