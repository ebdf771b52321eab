//! What is kept too long, read for nothing, or built anew for nothing.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;

use super::rules::*;

/// How many lines of an instruction or an effect are read.
const LINES_MAX: usize = 60;

static STAR: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"(?i)^\s*select\s+(?:\w+\.)?\*\s+from\b"));

/// Installs what a list of dependencies names.
static INSTALLS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"^\s*RUN\s.*\b(?:npm\s+(?:ci|install)|yarn(?:\s+install)?\b|pnpm\s+install|pip3?\s+install\s+.*-r\s|poetry\s+install|bundle\s+install|go\s+mod\s+download|composer\s+install)",
    )
});

fn is_match(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    LazyLock::force(regex).as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    match view.language() {
        Language::Dockerfile => image(view, findings),
        Language::Python => cached_methods(view, findings),
        Language::JavaScript | Language::TypeScript => effects(view, findings),
        _ => {}
    }
    stars(view, findings);
}

/// In SQL as a statement, elsewhere as the beginning of a string.
fn stars(view: &View<'_>, findings: &mut Findings<'_>) {
    let is_sql = view.language() == Language::Sql;
    if !(is_sql || view.language().is_code()) {
        return;
    }
    for (place, line) in view.added() {
        let reads_all = if is_sql {
            is_match(&STAR, line.code())
        } else {
            line.literals().iter().any(|literal| {
                is_match(&STAR, line.raw.get(literal.range.clone()).unwrap_or_default())
            })
        };
        if reads_all && !view.is_in_tests(place) {
            findings.add(&SELECT_STAR, view, place);
        }
    }
}

/// A cache on a method, whose first argument is the object.
fn cached_methods(view: &View<'_>, findings: &mut Findings<'_>) {
    for (place, line) in view.added() {
        let code = line.code().trim();
        let caches = ["@lru_cache", "@functools.lru_cache", "@cache", "@functools.cache"];
        let is_cache =
            caches.iter().any(|cache| code == *cache || code.starts_with(&format!("{cache}(")));
        let next = view.next_code(place).map(|next| view.lines[next].code());
        if is_cache && next.is_some_and(|code| code.contains("def ") && code.contains("(self")) {
            findings.add(&CACHED_METHOD, view, place);
        }
    }
}

/// An effect of a component that adds something and gives nothing back to take it away.
fn effects(view: &View<'_>, findings: &mut Findings<'_>) {
    for block in view.blocks() {
        let is_effect = block.header.contains("useEffect(") || block.header.contains("onMounted(");
        let (true, Some(last)) = (is_effect, block.last) else { continue };
        if last > block.open + LINES_MAX {
            continue;
        }
        let body = &view.lines[block.open..=last];
        let is_undone = body.iter().any(|line| {
            let code = line.code();
            code.contains("return")
                || code.contains("removeEventListener")
                || code.contains("clearInterval")
                || code.contains("once: true")
        });
        let adds =
            |code: &str| code.contains(".addEventListener(") || code.contains("setInterval(");
        let added = body.iter().position(|line| adds(line.code()));
        if let Some(at) = added.filter(|_| !is_undone) {
            findings.add(&LISTENER_LEAK, view, block.open + at);
        }
    }
}

fn image(view: &View<'_>, findings: &mut Findings<'_>) {
    // The line of the stage that copies everything.
    let mut copied: Option<usize> = None;
    for (place, line) in view.lines.iter().enumerate() {
        let text = line.text().trim();
        if text.starts_with("FROM ") {
            copied = None;
        } else if text.starts_with("COPY . ") || text.starts_with("ADD . ") {
            copied = Some(place);
        } else if let Some(copy) = copied.filter(|_| is_match(&INSTALLS, text)) {
            // Either of the two may be the one that is new.
            let is_new = view.lines[copy].is_added;
            findings.add(&DOCKER_COPY_ORDER, view, if is_new { copy } else { place });
            copied = None;
        }
        if line.is_added && text.starts_with("RUN ") && leaves_lists(view, place) {
            findings.add(&DOCKER_PACKAGE_CACHE, view, place);
        }
    }
}

/// Whether an instruction that goes on over lines installs packages and leaves their lists.
fn leaves_lists(view: &View<'_>, place: usize) -> bool {
    let mut text = String::new();
    for line in view.lines[place..].iter().take(LINES_MAX) {
        let part = line.text().trim();
        text.push_str(part);
        text.push(' ');
        if !part.ends_with('\\') {
            break;
        }
    }
    let installs = text.contains("apt-get install") || text.contains("apt install");
    installs && !text.contains("/var/lib/apt/lists") && !text.contains("--mount=type=cache")
}
