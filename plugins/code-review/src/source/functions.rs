//! New functions that a hunk shows as a whole, and how complex they are.

use crate::language::Language;

use super::blocks::{Block, has_word};
use super::{Line, STEPS_MAX, View};

/// A new function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function {
    /// The line that its header begins on.
    pub(crate) first: usize,
    /// How many lines it has.
    pub(crate) lines: usize,
    /// How many ways there are through it: McCabe's number.
    pub(crate) complexity: usize,
    /// How deep blocks stand in blocks.
    pub(crate) nesting: usize,
}

/// Words that begin a way of their own.
const WAYS: &[&str] = &[
    "if", "elif", "elsif", "for", "while", "case", "catch", "except", "rescue", "when", "unless",
    "until",
];

impl View<'_> {
    /// The functions whose header is new and whose lines mostly are. A function in another one is
    /// part of that.
    pub(crate) fn new_functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        let mut done = 0;
        for (at, block) in self.blocks().iter().enumerate() {
            let is_named = block.kind.is_function() && is_named(self.language(), &block.header);
            let (true, Some(last)) = (is_named && block.first >= done, block.last) else {
                continue;
            };
            done = last + 1;
            let lines = &self.lines[block.first..=last];
            let added = lines.iter().filter(|line| line.is_added).count();
            if lines[0].is_added && added * 5 >= lines.len() * 4 {
                let ways = lines.iter().map(|line| ways(self.language(), line));
                functions.push(Function {
                    first: block.first,
                    lines: lines.len(),
                    complexity: 1 + ways.sum::<usize>(),
                    nesting: self.nesting(at, last),
                });
            }
        }
        functions
    }

    /// Blocks stand in the order in which they open, so those of a function follow it.
    fn nesting(&self, function: usize, last: usize) -> usize {
        let inner = self.blocks()[function + 1..].iter().take_while(|block| block.open <= last);
        inner.map(|block| self.nesting_of(block, function)).max().unwrap_or(0)
    }

    fn nesting_of(&self, block: &Block, function: usize) -> usize {
        let depth = self.blocks()[function].depth;
        let mut nesting = 0;
        let mut at = Some(block);
        for _ in 0..STEPS_MAX {
            let Some(block) = at.filter(|block| block.depth > depth) else { break };
            nesting += usize::from(block.kind.nests());
            at = block.parent.map(|parent| &self.blocks()[parent]);
        }
        nesting
    }
}

fn is_named(language: Language, header: &str) -> bool {
    match language {
        Language::Python | Language::Ruby => has_word(header, "def"),
        Language::Rust => has_word(header, "fn"),
        Language::Go => !header.starts_with("func(") && !header.contains("func(){"),
        Language::Java => !header.ends_with("->"),
        _ if header.ends_with("=>") => {
            ["const ", "let ", "var ", "export "].iter().any(|word| header.starts_with(word))
        }
        _ => !header.starts_with('('),
    }
}

/// How many ways a line adds.
fn ways(language: Language, line: &Line<'_>) -> usize {
    let code = line.code();
    let words = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| WAYS.contains(word))
        .count();
    let signs = code.matches("&&").count() + code.matches("||").count();
    let by_language = match language {
        Language::Rust => code.matches("=>").count(),
        Language::Python => {
            let is_word = |word: &&str| matches!(*word, "and" | "or");
            code.split(|c: char| !c.is_alphanumeric()).filter(is_word).count()
        }
        Language::JavaScript | Language::TypeScript | Language::Java => code.matches(" ? ").count(),
        _ => 0,
    };
    // A closure without arguments has the same sign as `or`.
    let closures = if language == Language::Rust {
        code.matches("(||").count() + code.matches("move ||").count()
    } else {
        0
    };
    (words + signs + by_language).saturating_sub(closures)
}
