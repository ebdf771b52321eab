//! How each language writes comments.

use crate::language::Language;

/// Where the sign of a comment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Anywhere,
    /// At a word's beginning: `a#b` is one word.
    AfterBlank,
    /// At the line's beginning.
    AtStart,
}

/// A language's comments.
#[derive(Debug)]
pub(super) struct Syntax {
    /// What begins a comment that ends with the line.
    pub(super) line_comments: &'static [&'static str],
    line_comments_stand: Where,
    /// What begins and ends a comment that may be longer.
    pub(super) block_comment: Option<(&'static str, &'static str)>,
    /// Whether comments may be in comments.
    pub(super) comments_nest: bool,
}

const NONE: Syntax = Syntax {
    line_comments: &[],
    line_comments_stand: Where::Anywhere,
    block_comment: None,
    comments_nest: false,
};
const SLASHES: Syntax =
    Syntax { line_comments: &["//"], block_comment: Some(("/*", "*/")), ..NONE };
const RUST: Syntax = Syntax { comments_nest: true, ..SLASHES };
const HASH: Syntax = Syntax { line_comments: &["#"], ..NONE };
const HASH_AFTER_BLANK: Syntax = Syntax { line_comments_stand: Where::AfterBlank, ..HASH };
const HASH_AT_START: Syntax = Syntax { line_comments_stand: Where::AtStart, ..HASH };
const CONFIG: Syntax = Syntax { line_comments: &["#", "//"], ..HASH_AFTER_BLANK };
const SQL: Syntax = Syntax { line_comments: &["--"], ..SLASHES };
const MARKUP: Syntax = Syntax { block_comment: Some(("<!--", "-->")), ..NONE };

impl Syntax {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Rust => &RUST,
            Language::JavaScript
            | Language::TypeScript
            | Language::Go
            | Language::Java
            | Language::C => &SLASHES,
            Language::Python | Language::Ruby => &HASH,
            Language::Shell | Language::Yaml => &HASH_AFTER_BLANK,
            Language::Dockerfile => &HASH_AT_START,
            Language::Config => &CONFIG,
            Language::Sql => &SQL,
            Language::Markup => &MARKUP,
            Language::Prose | Language::Other => &NONE,
        }
    }

    /// Whether a comment can begin there, with that byte before it.
    pub(super) fn comment_may_stand(&self, before: Option<u8>, at: usize) -> bool {
        match self.line_comments_stand {
            Where::Anywhere => true,
            Where::AfterBlank => {
                before.is_none_or(|byte| byte.is_ascii_whitespace() || byte == b';')
            }
            Where::AtStart => at == 0,
        }
    }
}
