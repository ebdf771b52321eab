//! Which language a file is in, told by its path, and what kind of file its path says it is.

use serde::{Deserialize, Serialize};

/// A language that rules know, or a family of files that only some rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript, also with elements in it.
    JavaScript,
    /// TypeScript, also with elements in it.
    TypeScript,
    /// Go.
    Go,
    /// Java.
    Java,
    /// Ruby.
    Ruby,
    /// POSIX shell and its descendants.
    Shell,
    /// SQL.
    Sql,
    /// YAML.
    Yaml,
    /// Dockerfiles.
    Dockerfile,
    /// C and C++: they are lexed, and only rules for all languages look at them.
    C,
    /// TOML, JSON, INI, properties and environment files.
    Config,
    /// HTML, CSS, XML and templates.
    Markup,
    /// Markdown and other text for people.
    Prose,
    /// Everything else.
    Other,
}

impl Language {
    /// Every one, in the order of the enum.
    pub const ALL: &'static [Self] = &[
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::Go,
        Self::Java,
        Self::Ruby,
        Self::Shell,
        Self::Sql,
        Self::Yaml,
        Self::Dockerfile,
        Self::C,
        Self::Config,
        Self::Markup,
        Self::Prose,
        Self::Other,
    ];

    /// The language that a path speaks of.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        if let Some(language) = by_name(&lower) {
            return language;
        }
        match lower.rsplit_once('.') {
            Some((_, extension)) => by_extension(extension),
            None => Self::Other,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Ruby => "Ruby",
            Self::Shell => "shell",
            Self::Sql => "SQL",
            Self::Yaml => "YAML",
            Self::Dockerfile => "Dockerfile",
            Self::C => "C",
            Self::Config => "configuration",
            Self::Markup => "markup",
            Self::Prose => "prose",
            Self::Other => "other",
        }
    }

    /// Whether it is JavaScript, with or without types.
    #[must_use]
    pub fn is_script(self) -> bool {
        matches!(self, Self::JavaScript | Self::TypeScript)
    }

    /// Whether its blocks stand in braces.
    #[must_use]
    pub fn has_braces(self) -> bool {
        matches!(
            self,
            Self::Rust | Self::JavaScript | Self::TypeScript | Self::Go | Self::Java | Self::C
        )
    }

    /// Whether it is written in statements, and not a text or a tree of values.
    #[must_use]
    pub fn is_code(self) -> bool {
        self.has_braces()
            || matches!(
                self,
                Self::Python | Self::Ruby | Self::Shell | Self::Sql | Self::Dockerfile
            )
    }
}

fn by_name(lower: &str) -> Option<Language> {
    let is_dockerfile = lower == "dockerfile"
        || lower == "containerfile"
        || lower.starts_with("dockerfile.")
        || lower.ends_with(".dockerfile");
    if is_dockerfile {
        return Some(Language::Dockerfile);
    }
    if lower == ".env" || lower.starts_with(".env.") {
        return Some(Language::Config);
    }
    match lower {
        "rakefile" | "gemfile" | "vagrantfile" | "guardfile" => Some(Language::Ruby),
        ".bashrc" | ".profile" | ".zshrc" | "configure" | "gradlew" => Some(Language::Shell),
        ".npmrc" | ".pypirc" | ".editorconfig" | ".gitconfig" => Some(Language::Config),
        "readme" | "license" | "changelog" | "authors" | "notice" => Some(Language::Prose),
        _ => None,
    }
}

fn by_extension(extension: &str) -> Language {
    match extension {
        "rs" => Language::Rust,
        "py" | "pyi" | "pyw" => Language::Python,
        "js" | "jsx" | "mjs" | "cjs" => Language::JavaScript,
        "ts" | "tsx" | "mts" | "cts" => Language::TypeScript,
        "go" => Language::Go,
        "java" => Language::Java,
        "rb" | "rake" | "gemspec" | "ru" => Language::Ruby,
        "sh" | "bash" | "zsh" | "ksh" | "bats" => Language::Shell,
        "sql" | "psql" | "ddl" => Language::Sql,
        "yaml" | "yml" => Language::Yaml,
        "c" | "h" | "cc" | "cpp" | "cxx" | "hpp" | "hh" => Language::C,
        "toml" | "json" | "jsonc" | "json5" | "ini" | "cfg" | "conf" | "properties" | "env" => {
            Language::Config
        }
        "html" | "htm" | "xml" | "css" | "scss" | "less" | "vue" | "svelte" | "erb" | "hbs" => {
            Language::Markup
        }
        "md" | "mdx" | "rst" | "txt" | "adoc" | "tex" | "org" => Language::Prose,
        _ => Language::Other,
    }
}

/// Whether a path says that a file holds tests, or what tests need.
#[must_use]
pub fn is_test_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_folder = folders.split('/').any(|folder| {
        matches!(
            folder,
            "test"
                | "tests"
                | "__tests__"
                | "spec"
                | "specs"
                | "testdata"
                | "fixtures"
                | "e2e"
                | "benches"
                | "testing"
                | "__mocks__"
                | "mocks"
        )
    });
    let stem = name.split('.').next().unwrap_or_default();
    let parts = name.split('.').skip(1);
    in_folder
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_spec")
        || stem == "conftest"
        || stem == "tests"
        || (stem.len() > 4 && (stem.ends_with("Test") || stem.ends_with("Tests")))
        || parts.into_iter().any(|part| part == "test" || part == "spec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_the_language() {
        let cases = [
            ("src/lib.rs", Language::Rust),
            ("a/b.test.tsx", Language::TypeScript),
            ("a.mjs", Language::JavaScript),
            ("docker/Dockerfile.dev", Language::Dockerfile),
            ("api.Dockerfile", Language::Dockerfile),
            ("Rakefile", Language::Ruby),
            ("config/.env.production", Language::Config),
            ("k8s/a.YML", Language::Yaml),
            ("README", Language::Prose),
            ("a", Language::Other),
            ("", Language::Other),
            ("a.unknown", Language::Other),
        ];
        for (path, language) in cases {
            assert_eq!(Language::of_path(path), language, "{path}");
        }
    }

    #[test]
    fn tests_are_told_by_their_paths() {
        for path in [
            "tests/a.rs",
            "a/__tests__/b.js",
            "test_a.py",
            "a_test.go",
            "a.spec.ts",
            "src/tests.rs",
            "src/test/java/AbcTest.java",
            "conftest.py",
            "user_spec.rb",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in ["src/latest.rs", "contest.py", "attest/a.go", "src/Test.java", "a/spectre.js"]
        {
            assert!(!is_test_path(path), "{path}");
        }
    }

    #[test]
    fn every_language_is_listed_once() {
        let mut seen = Language::ALL.to_vec();
        seen.dedup();
        assert_eq!(seen.len(), 16);
    }
}
