//! Blocks in braces: Rust, JavaScript, TypeScript, Go, Java and C.

use crate::language::Language;

use super::super::Line;
use super::{BlockKind, Blocks, has_word, is_async_header};

/// The longest header that is kept: whatever is longer is told by its beginning.
const HEADER_BYTES_MAX: usize = 400;

/// What runs its closure for each element.
const EACH: &[&str] = &[
    ".forEach(",
    ".map(",
    ".filter(",
    ".flatMap(",
    ".reduce(",
    ".some(",
    ".every(",
    ".for_each(",
    ".find(",
    ".filter_map(",
    ".fold(",
];

pub(super) fn blocks(language: Language, lines: &[Line<'_>]) -> Blocks {
    let mut reader = Reader {
        language,
        blocks: Blocks::default(),
        stack: Vec::new(),
        header: String::new(),
        header_line: 0,
        round: 0,
    };
    for (at, line) in lines.iter().enumerate() {
        reader.line(at, line.code());
    }
    reader.blocks
}

struct Reader {
    language: Language,
    blocks: Blocks,
    /// The open blocks with how many round brackets were open before each.
    stack: Vec<(usize, usize)>,
    /// What stands since the last end of a statement.
    header: String,
    header_line: usize,
    /// Open round brackets since the innermost brace.
    round: usize,
}

impl Reader {
    fn top(&self) -> Option<usize> {
        self.stack.last().map(|(block, _)| *block)
    }

    fn line(&mut self, at: usize, code: &str) {
        // Where no semicolon ends statements, a word that begins one does.
        let has_semicolons = matches!(self.language, Language::Rust | Language::Java | Language::C);
        if !has_semicolons && self.round == 0 && begins_statement(code.trim_start()) {
            self.header.clear();
        }
        self.blocks.at_start.push(self.top());
        for (column, character) in code.char_indices() {
            match character {
                '{' => self.open(at, column),
                '}' => self.close(at, column),
                ';' if self.round == 0 => self.header.clear(),
                _ => {
                    match character {
                        '(' => self.round += 1,
                        ')' => self.round = self.round.saturating_sub(1),
                        _ => {}
                    }
                    self.extend(at, character);
                }
            }
        }
        self.extend(at, ' ');
    }

    fn extend(&mut self, at: usize, character: char) {
        if self.header.is_empty() {
            if character.is_whitespace() {
                return;
            }
            self.header_line = at;
        }
        if self.header.len() < HEADER_BYTES_MAX {
            self.header.push(character);
        }
    }

    fn open(&mut self, at: usize, column: usize) {
        let header = std::mem::take(&mut self.header);
        let first = if header.is_empty() { at } else { self.header_line };
        let kind = kind(self.language, header.trim_end());
        let block = self.blocks.open(kind, header.trim_end(), first, at, self.top());
        self.stack.push((block, self.round));
        self.round = 0;
        self.blocks.changes.push((at, column, Some(block)));
    }

    fn close(&mut self, at: usize, column: usize) {
        self.header.clear();
        self.round = 0;
        if let Some((block, round)) = self.stack.pop() {
            self.blocks.list[block].last = Some(at);
            self.round = round;
        }
        let top = self.top();
        self.blocks.changes.push((at, column, top));
    }
}

fn begins_statement(code: &str) -> bool {
    const WORDS: &[&str] = &[
        "for", "while", "if", "switch", "select", "try", "function", "async", "func", "const",
        "let", "var", "class", "export", "import", "return", "go", "defer", "type", "do", "await",
        "case", "default",
    ];
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(code.len());
    WORDS.contains(&&code[..end])
}

/// What a header opens.
fn kind(language: Language, header: &str) -> BlockKind {
    let header = header.trim_start_matches([')', ',', ']', '}']).trim_start();
    let has = |word| has_word(header, word);
    let begins = |word: &str| {
        header
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    if is_closure(language, header) {
        let is_loop = EACH.iter().any(|call| header.contains(call));
        return match (is_loop, is_async_header(header)) {
            (true, _) => BlockKind::Loop,
            (false, true) => BlockKind::AsyncFunction,
            (false, false) => BlockKind::Function,
        };
    }
    if begins("else") || begins("if") || header.ends_with(" else") {
        return BlockKind::Condition;
    }
    if is_loop(language, header) {
        return BlockKind::Loop;
    }
    if language == Language::Rust && (header.ends_with("async") || header.ends_with("async move")) {
        return BlockKind::AsyncFunction;
    }
    match () {
        () if begins("switch")
            || begins("match")
            || begins("select")
            || header.contains("= match ") =>
        {
            BlockKind::Switch
        }
        () if begins("try") || begins("do") => BlockKind::Try,
        () if begins("catch") => BlockKind::Catch,
        () if begins("finally") => BlockKind::Finally,
        () if is_function(language, header) => {
            if is_async_header(header) {
                BlockKind::AsyncFunction
            } else {
                BlockKind::Function
            }
        }
        () if header.contains(" if ") && language == Language::Rust => BlockKind::Condition,
        () if [
            "class",
            "interface",
            "struct",
            "enum",
            "impl",
            "trait",
            "mod",
            "namespace",
            "type",
            "union",
        ]
        .into_iter()
        .any(has) =>
        {
            BlockKind::Type
        }
        () => BlockKind::Other,
    }
}

fn is_loop(language: Language, header: &str) -> bool {
    // A label may stand before it.
    let header = match header.split_once(": ") {
        Some((label, rest)) if !label.contains([' ', '(']) => rest,
        _ => header,
    };
    let begins = |word: &str| {
        header
            .strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '(']))
    };
    let is_impl = language == Language::Rust && header.starts_with("impl");
    !is_impl
        && (begins("for")
            || begins("while")
            || (language == Language::Rust && (begins("loop") || header.ends_with("= loop"))))
}

/// Whether what opens is a closure: `|a| {`, `(a) => {`, `func(a) {`, `a -> {`.
fn is_closure(language: Language, header: &str) -> bool {
    match language {
        Language::Rust => {
            let Some(bar) = header.rfind('|') else { return false };
            let is_pattern = header[..bar].ends_with('|') && !header.ends_with('|');
            let rest = header[bar + 1..].trim();
            let begins = header.find('|').unwrap_or(bar);
            let before = header[..begins].trim_end();
            let opens =
                before.is_empty() || before.ends_with(['(', ',', '=']) || before.ends_with("move");
            !is_pattern && opens && (rest.is_empty() || rest.starts_with("->"))
                || header.ends_with("||")
        }
        Language::JavaScript | Language::TypeScript => {
            header.ends_with("=>")
                || (has_word(header, "function")
                    && !header.starts_with("function")
                    && header.contains('('))
                    && !header.starts_with("export")
                    && !header.starts_with("async function")
        }
        Language::Go => {
            let literal = header.rfind("func(");
            literal.is_some_and(|at| at > 0 || header.starts_with("func("))
        }
        Language::Java => header.ends_with("->"),
        _ => false,
    }
}

fn is_function(language: Language, header: &str) -> bool {
    match language {
        Language::Rust => has_word(header, "fn"),
        Language::Go => header.starts_with("func"),
        Language::JavaScript | Language::TypeScript => {
            has_word(header, "function") || is_method(header)
        }
        Language::Java | Language::C => is_method(header),
        _ => false,
    }
}

/// `name(arguments)`, perhaps with what it gives or throws behind; a call has no brace behind it.
fn is_method(header: &str) -> bool {
    let Some(open) = header.find('(') else { return false };
    let before = header[..open].trim_end();
    let name = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).next();
    let is_name = name.is_some_and(|name| {
        !name.is_empty()
            && !["if", "for", "while", "switch", "catch", "with", "synchronized", "return", "new"]
                .contains(&name)
    });
    is_name && !before.contains(['=', '.', ':']) && header.contains(')')
}
