//! How each language writes strings, and where they end.

use crate::language::Language;

use super::Reading;

/// The longest word that ends a heredoc; a longer one is no heredoc.
const HEREDOC_WORD_MAX: usize = 64;

/// A string that has begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Quoted {
    /// What ends it.
    close: String,
    /// Whether a backslash takes the next byte's meaning.
    pub(super) escapes: bool,
    /// Whether it may go on on the next line.
    pub(super) is_multiline: bool,
    /// Whether the language puts values into it by itself.
    pub(super) is_interpolated: bool,
    /// Whether `${` in it begins code.
    has_code: bool,
    /// Whether it begins and ends with lines.
    pub(super) is_heredoc: bool,
    /// Whether its last line may be indented.
    is_indented: bool,
    /// Where it ends on its line, where that has been found already.
    ends_at: Option<usize>,
    /// Which string of the piece it is.
    pub(super) id: usize,
}

/// What comes behind a piece of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its end; code goes on there.
    Closed(usize),
    /// Code within it, which begins there.
    Inserted(usize),
    /// It has no end on this line.
    EndOfLine,
}

impl Quoted {
    fn simple(close: &str) -> Self {
        Self { close: close.to_owned(), escapes: true, ..Self::default() }
    }

    fn multiline(close: &str) -> Self {
        Self { is_multiline: true, ..Self::simple(close) }
    }

    fn raw(close: &str) -> Self {
        Self { escapes: false, ..Self::multiline(close) }
    }

    /// A string of three double quotes that began above the piece.
    pub(super) fn above(close: &str) -> Self {
        Self { id: usize::MAX, ..Self::multiline(close) }
    }

    /// Whether this line is a heredoc's last.
    pub(super) fn ends_by_line(&self, line: &[u8]) -> bool {
        let line = if self.is_indented { line.trim_ascii_start() } else { line };
        self.is_heredoc && line.trim_ascii_end() == self.close.as_bytes()
    }

    /// Where the inside ends that begins at a place, and what comes then.
    pub(super) fn scan(&self, bytes: &[u8], from: usize) -> (usize, Next) {
        if let Some(end) = self.ends_at {
            return (end, Next::Closed(end + 1));
        }
        let mut at = from;
        let close = self.close.as_bytes();
        while at < bytes.len() {
            if bytes[at] == b'\\' && self.escapes {
                at += 2;
            } else if bytes[at..].starts_with(close) {
                return (at, Next::Closed(at + close.len()));
            } else if self.has_code && bytes[at..].starts_with(b"${") {
                return (at, Next::Inserted(at + 2));
            } else {
                at += 1;
            }
        }
        // An escape may have gone one too far.
        (bytes.len(), Next::EndOfLine)
    }
}

/// The string that begins where the reading is, which is then behind its opening sign.
pub(super) fn opening(language: Language, reading: &mut Reading<'_>) -> Option<Quoted> {
    let byte = reading.bytes[reading.at];
    let (quoted, length) = match language {
        Language::Rust => rust(byte, reading)?,
        Language::Python => python(byte, reading)?,
        Language::JavaScript | Language::TypeScript => script(byte, reading)?,
        Language::Go => go(byte)?,
        Language::Java => java(byte, reading)?,
        Language::Ruby => ruby(byte, reading)?,
        Language::Shell => shell(byte, reading)?,
        Language::Sql if byte == b'\'' => (Quoted { escapes: false, ..Quoted::multiline("'") }, 1),
        Language::Yaml => yaml(byte, reading)?,
        Language::C if matches!(byte, b'"' | b'\'') => (either(byte), 1),
        Language::Config if byte == b'"' => (Quoted::simple("\""), 1),
        _ => return None,
    };
    reading.at = (reading.at + length).min(reading.bytes.len());
    Some(quoted)
}

fn either(byte: u8) -> Quoted {
    Quoted::simple(if byte == b'"' { "\"" } else { "'" })
}

fn rust(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    let rest = &reading.bytes[reading.at..];
    let is_word = reading.before().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match byte {
        b'"' => Some((Quoted::multiline("\""), 1)),
        b'r' if !is_word || reading.before() == Some(b'b') => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            let is_raw = rest.get(1 + hashes) == Some(&b'"');
            is_raw.then(|| (Quoted::raw(&format!("\"{}", "#".repeat(hashes))), 2 + hashes))
        }
        // A character has its quote behind one character or an escape; a lifetime doesn't.
        b'\'' => {
            let is_character = match rest.get(1)? {
                b'\\' => true,
                first if first.is_ascii() => rest.get(2) == Some(&b'\''),
                _ => rest[1..].iter().take(5).any(|byte| *byte == b'\''),
            };
            is_character.then(|| (Quoted::simple("'"), 1))
        }
        _ => None,
    }
}

fn python(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    if !matches!(byte, b'"' | b'\'') {
        return None;
    }
    let before = &reading.bytes[..reading.at];
    let letters = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let prefix = before[before.len() - letters..].to_ascii_lowercase();
    let is_prefix = letters <= 2 && prefix.iter().all(|letter| b"rbfut".contains(letter));
    let has = |letter: u8| is_prefix && prefix.contains(&letter);
    let one = if byte == b'"' { "\"" } else { "'" };
    let three = one.repeat(3);
    let is_long = reading.starts_with(&three);
    let mut quoted = if is_long { Quoted::multiline(&three) } else { Quoted::simple(one) };
    // A raw string's backslash still keeps a quote from ending it.
    quoted.is_interpolated = has(b'f');
    Some((quoted, if is_long { 3 } else { 1 }))
}

fn script(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    match byte {
        b'"' | b'\'' => Some((either(byte), 1)),
        b'`' => {
            let template = Quoted::multiline("`");
            Some((Quoted { is_interpolated: true, has_code: true, ..template }, 1))
        }
        b'/' if may_be_pattern(reading) => Some((pattern(reading)?, 1)),
        _ => None,
    }
}

/// Whether a slash begins a pattern and doesn't divide: it does where a value can't have ended.
fn may_be_pattern(reading: &Reading<'_>) -> bool {
    match reading.last() {
        None => true,
        Some(byte) if b"(,=:[!&|?{};+-*%~^<>".contains(&byte) => true,
        Some(byte) if byte.is_ascii_alphabetic() => {
            let code = reading.code[..reading.at].trim_ascii_end();
            let word = code.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let word = &code[code.len() - word..];
            matches!(word, b"return" | b"typeof" | b"case" | b"in" | b"of" | b"if" | b"unless")
        }
        Some(_) => false,
    }
}

/// A pattern that ends on its line; a slash within brackets doesn't end it.
fn pattern(reading: &Reading<'_>) -> Option<Quoted> {
    let rest = &reading.bytes[reading.at + 1..];
    let mut in_brackets = false;
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 1,
            b'[' => in_brackets = true,
            b']' => in_brackets = false,
            b'/' if !in_brackets => {
                let ends_at = Some(reading.at + 1 + at);
                return Some(Quoted { ends_at, ..Quoted::default() });
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn go(byte: u8) -> Option<(Quoted, usize)> {
    match byte {
        b'"' | b'\'' => Some((either(byte), 1)),
        b'`' => Some((Quoted::raw("`"), 1)),
        _ => None,
    }
}

fn java(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    match byte {
        b'"' if reading.starts_with("\"\"\"") => Some((Quoted::multiline("\"\"\""), 3)),
        b'"' | b'\'' => Some((either(byte), 1)),
        _ => None,
    }
}

fn ruby(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    match byte {
        b'"' => Some((Quoted { is_interpolated: true, ..Quoted::multiline("\"") }, 1)),
        b'\'' => Some((Quoted::multiline("'"), 1)),
        // What runs a command is code to the rules, but a quote in it means nothing.
        b'`' => Some((Quoted { is_interpolated: true, ..Quoted::simple("`") }, 1)),
        b'/' if may_be_pattern(reading) => Some((pattern(reading)?, 1)),
        b'<' => heredoc(reading, true),
        _ => None,
    }
}

fn shell(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    if reading.before() == Some(b'\\') {
        return None;
    }
    match byte {
        b'"' => Some((Quoted { is_interpolated: true, ..Quoted::multiline("\"") }, 1)),
        b'\'' => Some((Quoted::raw("'"), 1)),
        b'<' => heredoc(reading, false),
        _ => None,
    }
}

/// `<<WORD`, `<<-WORD`, `<<~WORD`, with or without quotes around the word.
fn heredoc(reading: &Reading<'_>, is_ruby: bool) -> Option<(Quoted, usize)> {
    let rest = reading.bytes[reading.at..].strip_prefix(b"<<")?;
    let is_indented = matches!(rest.first(), Some(b'-' | b'~'));
    let rest = &rest[usize::from(is_indented)..];
    // `a << b` appends in Ruby, `<<< word` is no heredoc in shell.
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    if is_ruby && (blanks > 0 || !is_indented) {
        return None;
    }
    let rest = &rest[blanks..];
    let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let quotes = usize::from(quote.is_some());
    let word = rest[quotes..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let is_word =
        rest.get(quotes).is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_');
    if !is_word || word > HEREDOC_WORD_MAX {
        return None;
    }
    let close = String::from_utf8_lossy(&rest[quotes..quotes + word]).into_owned();
    let quoted = Quoted {
        close,
        is_multiline: true,
        is_interpolated: quote != Some(b'\''),
        is_heredoc: true,
        is_indented,
        ..Quoted::default()
    };
    Some((quoted, 2 + usize::from(is_indented) + blanks + 2 * quotes + word))
}

/// A quote in YAML opens a string only where a value begins: `don't` is a plain one.
fn yaml(byte: u8, reading: &Reading<'_>) -> Option<(Quoted, usize)> {
    let begins = match reading.last() {
        None => true,
        Some(last) => b":-[{,?".contains(&last) && reading.before() != Some(last),
    };
    let opens = begins || reading.before().is_some_and(|before| b"[{,".contains(&before));
    match byte {
        b'"' if opens => Some((Quoted::simple("\""), 1)),
        b'\'' if opens => Some((Quoted { escapes: false, ..Quoted::simple("'") }, 1)),
        _ => None,
    }
}
