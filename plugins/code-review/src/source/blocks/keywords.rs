//! Blocks between a word and its `end`: Ruby.

use super::super::Line;
use super::{BlockKind, Blocks, has_word};

/// Methods whose block is run for each element.
const EACH: &[&str] = &[
    ".each",
    ".map",
    ".flat_map",
    ".select",
    ".reject",
    ".times",
    ".each_with_index",
    ".inject",
    ".find_each",
    ".upto",
    ".collect",
];

pub(super) fn blocks(lines: &[Line<'_>]) -> Blocks {
    let mut blocks = Blocks::default();
    let mut stack: Vec<usize> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.code().trim();
        if code == "end" || code.starts_with("end.") || code.starts_with("end ") {
            blocks.at_start.push(stack.last().copied());
            if let Some(block) = stack.pop() {
                blocks.list[block].last = Some(at);
            }
            continue;
        }
        // A part of a block that has another meaning, such as `rescue`, takes the place of the first.
        if let Some(kind) = part(code)
            && let Some(block) = stack.pop()
        {
            blocks.list[block].last = Some(at);
            let parent = blocks.list[block].parent;
            blocks.at_start.push(parent);
            stack.push(blocks.open(kind, code, at, at, parent));
            continue;
        }
        blocks.at_start.push(stack.last().copied());
        let is_whole = has_word(code, "end");
        if let Some(kind) = opened(code).filter(|_| !is_whole) {
            let block = blocks.open(kind, code, at, at, stack.last().copied());
            stack.push(block);
        }
    }
    blocks
}

fn first_word(code: &str) -> &str {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

fn part(code: &str) -> Option<BlockKind> {
    match first_word(code) {
        "rescue" => Some(BlockKind::Catch),
        "ensure" => Some(BlockKind::Finally),
        "else" | "elsif" => Some(BlockKind::Condition),
        "when" | "in" if !code.ends_with(')') => Some(BlockKind::Switch),
        _ => None,
    }
}

fn opened(code: &str) -> Option<BlockKind> {
    let value = code.split_once(" = ").map_or(code, |(_, value)| value.trim_start());
    let by_word = |code| match first_word(code) {
        "def" => Some(BlockKind::Function),
        "class" | "module" => Some(BlockKind::Type),
        "if" | "unless" => Some(BlockKind::Condition),
        "while" | "until" | "for" => Some(BlockKind::Loop),
        "case" => Some(BlockKind::Switch),
        "begin" => Some(BlockKind::Try),
        _ => None,
    };
    if let Some(kind) = by_word(code).or_else(|| by_word(value)) {
        return Some(kind);
    }
    let before = code.split(" |").next().unwrap_or(code).trim_end();
    if before.ends_with(" do") || before == "do" {
        let is_each = EACH.iter().any(|method| before.contains(method)) || before == "loop do";
        return Some(if is_each { BlockKind::Loop } else { BlockKind::Function });
    }
    None
}
