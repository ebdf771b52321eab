//! What a tenant may set. Everything has a default, and unknown members are refused where they are
//! read, so that a misspelt setting doesn't go unseen.

use serde::{Deserialize, Serialize};

use crate::finding::Severity;

/// The most patterns of its own that a tenant may forbid: each is tried on every new line.
pub const FORBIDDEN_MAX: usize = 100;

/// The largest that one of them may be once it is compiled, in bytes: some kilobytes are usual, and
/// repetitions of repetitions can be anything.
pub const FORBIDDEN_COMPILED_BYTES_MAX: usize = 1 << 20;

/// A tenant's settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Of the style node.
    pub style: StyleConfig,
    /// Of the security node.
    pub security: SecurityConfig,
    /// Of the performance node.
    pub performance: PerformanceConfig,
    /// Ids of rules that are switched off.
    pub disabled_rules: Vec<String>,
    /// Of the summary.
    pub summary: SummaryConfig,
}

/// Settings of the style node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StyleConfig {
    /// The longest line, in characters.
    pub line_length_max: usize,
    /// What lines are indented with, where the language leaves a choice.
    pub indent: Indent,
    /// Whether names are held against the language's custom.
    pub check_names: bool,
    /// Whether a note for later needs the number of an issue, or an address.
    pub todo_needs_issue: bool,
    /// What must not stand in code.
    pub forbidden: Vec<ForbiddenPattern>,
}

/// What lines are indented with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indent {
    /// What the lines around are indented with.
    #[default]
    AsAround,
    /// Blanks.
    Spaces,
    /// Tabs.
    Tabs,
}

/// A pattern that a tenant forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForbiddenPattern {
    /// A regular expression, tried on code with its strings and without its comments.
    pub pattern: String,
    /// What to say.
    pub message: String,
    /// How bad it is.
    #[serde(default = "low")]
    pub severity: Severity,
    /// Beginnings of paths that it is for; all where there are none.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// Settings of the security node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityConfig {
    /// From how many bits of entropy a character a text of letters and digits counts as random.
    pub entropy_bits_min: f64,
    /// Texts that are no secrets, such as keys of a sandbox.
    pub allowed_secrets: Vec<String>,
}

/// Settings of the performance node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceConfig {
    /// How many ways a new function may have at most (McCabe's number).
    pub complexity_max: usize,
    /// How many lines a new function may have at most.
    pub function_lines_max: usize,
    /// How deep blocks may stand in blocks within a function.
    pub nesting_max: usize,
}

/// Settings of the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SummaryConfig {
    /// How many comments go to lines.
    pub inline_comments_max: usize,
}

fn low() -> Severity {
    Severity::Low
}

impl Default for StyleConfig {
    fn default() -> Self {
        Self {
            // Wide enough for two columns of code side by side on a usual screen.
            line_length_max: 120,
            indent: Indent::AsAround,
            check_names: true,
            todo_needs_issue: true,
            forbidden: Vec::new(),
        }
    }
}

impl Default for SecurityConfig {
    fn default() -> Self {
        // Random letters and digits have close to 5 bits at such lengths, words and names below 4.
        Self { entropy_bits_min: 4.2, allowed_secrets: Vec::new() }
    }
}

impl Default for PerformanceConfig {
    fn default() -> Self {
        Self {
            // McCabe proposed 10; much code that reads well has a few more.
            complexity_max: 15,
            // About two screens.
            function_lines_max: 100,
            nesting_max: 5,
        }
    }
}

impl Default for SummaryConfig {
    fn default() -> Self {
        Self { inline_comments_max: crate::summary::INLINE_COMMENTS_MAX }
    }
}
