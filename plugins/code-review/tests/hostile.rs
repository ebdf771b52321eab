//! Diffs that nobody meant: arbitrary bytes, broken diffs, endless ones.

mod common;

use std::time::{Duration, Instant};

use common::reviewed;
use coppice_code_review::diff::{Diff, parse};
use coppice_code_review::steps::{STEPS, run};
use coppice_code_review::{Config, DiffInput, NodeInput, Summary, split};
use proptest::prelude::*;
use serde_json::json;

/// What all nodes may take for a diff of 50,000 lines: a person waits that long for a page.
const LARGE_MAX: Duration = Duration::from_secs(2);
/// How often a machine that others use may be too slow for it.
const TRIES: usize = 5;

const REAL: &str = "diff --git a/src/a.py b/src/b.py\nsimilarity index 90%\nrename from src/a.py\n\
    rename to src/b.py\nindex 1..2 100644\n--- a/src/a.py\n+++ b/src/b.py\n\
    @@ -1,4 +1,6 @@ def f():\n def f(a=[]):\n-    return 1\n+    for b in a:\n\
    +        db.execute(f\"SELECT x FROM y WHERE z = {b}\")\n+    return 2\n \n x = 1\n\
    \\ No newline at end of file\ndiff --git a/c.js b/c.js\n--- a/c.js\n+++ b/c.js\n\
    @@ -1 +1,3 @@\n-a\n+if (a = b) {\n+  c.innerHTML = d;\n+}\ndiff --cc m.rs\n--- a/m.rs\n\
    +++ b/m.rs\n@@@ -1,2 -1,2 +1,3 @@@\n  fn f() {\n++    unsafe { g() }\n  }\n";

fn all_steps(diff: &str) {
    let split = run("split", json!({ "diff": diff })).expect("it must work");
    let input = json!({"files": split["files"], "config": {}});
    let outputs: Vec<_> =
        STEPS[1..5].iter().map(|step| run(step, input.clone()).expect("it must work")).collect();
    let merged = run("merge", json!({ "outputs": outputs })).expect("it must work");
    let ranked = run("rank", merged).expect("it must work");
    let summary = json!({"findings": ranked["findings"], "left_out": split["left_out"]});
    let summary: Summary = serde_json::from_value(run("summarise", summary).expect("it must work"))
        .expect("it must work");
    assert!(!summary.paragraph.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let diff = parse(&bytes);
        let text = serde_json::to_string(&diff).expect("it must work");
        prop_assert_eq!(serde_json::from_str::<Diff>(&text).expect("it must work"), diff);
        reviewed(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_broken_diff_is_read(
        cuts in prop::collection::vec((0..REAL.len(), 0..40_usize, "[-+@ \\n0-9a-z{}\"'`#/*]{0,8}"), 1..6),
    ) {
        let mut text = REAL.to_owned();
        for (at, length, put) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &put);
            }
        }
        reviewed(&text);
        all_steps(&text);
        let diff = parse(text.as_bytes());
        let written = serde_json::to_string(&diff).expect("it must work");
        prop_assert_eq!(serde_json::from_str::<Diff>(&written).expect("it must work"), diff);
    }

    #[test]
    fn any_file_of_any_language_is_reviewed(
        lines in prop::collection::vec("[ -~äö\\t]{0,60}", 1..30),
        which in 0..16_usize,
    ) {
        const NAMES: [&str; 16] = [
            "a.rs", "a.py", "a.js", "a.tsx", "a.go", "A.java", "a.rb", "a.sh", "a.sql",
            ".github/workflows/a.yml", "Dockerfile", "a.c", "a.toml", "a.html", "a.md", "a",
        ];
        reviewed(&new_file(NAMES[which], &lines));
    }
}

fn new_file(name: &str, lines: &[impl AsRef<str>]) -> String {
    let body: String = lines.iter().map(|line| format!("+{}\n", line.as_ref())).collect();
    format!(
        "diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n\
         @@ -0,0 +1,{} @@\n{body}",
        lines.len()
    )
}

/// Fifty thousand new lines of ordinary code in several languages.
fn ordinary() -> String {
    let parts: [(&str, &[&str]); 4] = [
        (
            "a.rs",
            &[
                "/// Says what it does.",
                "pub fn part(items: &[Item]) -> Result<u64, Error> {",
                "    let mut total = 0;",
                "    for item in items.iter().filter(|item| item.is_open()) {",
                "        total += item.price * u64::from(item.count);",
                "        log(&format!(\"item {} costs {}\", item.name, item.price));",
                "    }",
                "    Ok(total)",
                "}",
                "",
            ],
        ),
        (
            "b.py",
            &[
                "def part(items, limit=None):",
                "    \"\"\"Says what it does.\"\"\"",
                "    total = 0",
                "    for item in items:",
                "        if item.price > 3 and item.count < 10:",
                "            total += item.price * item.count",
                "            logger.info(\"item %s costs %s\", item.name, item.price)",
                "    return total",
                "",
                "",
            ],
        ),
        (
            "c.ts",
            &[
                "/** Says what it does. */",
                "export async function part(items: Item[]): Promise<number> {",
                "  const prices = items.filter((item) => item.open).map((item) => item.price);",
                "  const response = await api.post('/prices', { prices });",
                "  if (!response.ok) {",
                "    throw new Error(`failed with ${response.status}`);",
                "  }",
                "  return prices.reduce((sum, price) => sum + price, 0);",
                "}",
                "",
            ],
        ),
        (
            "d.go",
            &[
                "// Part says what it does.",
                "func Part(items []Item) (int, error) {",
                "\ttotal := 0",
                "\tfor _, item := range items {",
                "\t\tif item.Price > 3 && item.Count < 10 {",
                "\t\t\ttotal += item.Price * item.Count",
                "\t\t}",
                "\t}",
                "\treturn total, nil",
                "}",
            ],
        ),
    ];
    let file = |(name, lines): (&str, &[&str])| new_file(name, &lines.repeat(12_500 / lines.len()));
    parts.into_iter().map(file).collect()
}

/// What a review takes at best, in the first tries of a few within a limit: what else the machine does
/// only ever adds.
fn timed(text: &str, limit: Duration) -> Duration {
    let once = || {
        let started = Instant::now();
        reviewed(text);
        started.elapsed()
    };
    let mut best = once();
    for _ in 1..TRIES {
        if best < limit {
            break;
        }
        best = best.min(once());
    }
    best
}

#[test]
#[expect(clippy::print_stdout, reason = "the figure belongs to the test's output")]
fn fifty_thousand_lines_take_less_than_two_seconds() {
    let text = ordinary();
    assert_eq!(parse(text.as_bytes()).files.iter().map(|file| file.added()).sum::<usize>(), 50_000);
    let taken = timed(&text, LARGE_MAX);
    println!("50,000 new lines: {} ms", taken.as_millis());
    assert!(taken < LARGE_MAX, "{taken:?}");
}

/// Lines that would show a rule that looks through all others for each.
#[test]
#[expect(clippy::print_stdout, reason = "the figures belong to the test's output")]
fn the_time_grows_with_the_length_and_not_with_its_square() {
    let hostile: [(&str, &str); 12] = [
        ("a.js", "{"),
        ("a.js", "}"),
        ("a.js", "function f() {"),
        ("a.js", "switch (a) {"),
        ("a.py", "\"\"\""),
        ("a.py", "  # TODO"),
        ("a.rs", "unsafe { a.clone() }"),
        ("a.rs", "/*"),
        ("a.sql", "select 'a"),
        ("a.yml", "- a:"),
        ("Dockerfile", "FROM a"),
        ("a.rb", "begin"),
    ];
    for (name, line) in hostile {
        let text = new_file(name, &vec![line; 50_000]);
        let taken = timed(&text, LARGE_MAX * 2);
        println!("50,000 times {line:?}: {} ms", taken.as_millis());
        assert!(taken < LARGE_MAX * 2, "{name} {line:?}: {taken:?}");
    }
    let long = new_file("a.js", &[format!("f({});", "a['b'] && ".repeat(200_000))]);
    assert!(timed(&long, LARGE_MAX) < LARGE_MAX, "one line of 2 MB");
}

#[test]
fn an_endless_list_of_findings_is_cut_and_counted() {
    let lines: Vec<_> = (0..3_000).map(|at| format!("x{at} = eval(a)   ")).collect();
    let files: String = (0..30).map(|at| new_file(&format!("a{at}.py"), &lines)).collect();
    let files = split(&DiffInput { diff: files }).files;
    let output = coppice_code_review::security(&NodeInput { files, config: Config::default() });
    assert_eq!(output.findings.len(), 1_000);
    assert_eq!(output.findings.len() + output.dropped, 90_000);
}
