//! Which blocks lines are in, in each language.

use crate::diff::parse;
use crate::language::Language;
use crate::source::View;
use crate::split::ReviewFile;

use super::BlockKind;

fn file(language: Language, text: &str) -> ReviewFile {
    let lines: Vec<_> = text.lines().map(|line| format!("+{line}\n")).collect();
    let diff = format!("--- /dev/null\n+++ b/x\n@@ -0,0 +1,{} @@\n{}", lines.len(), lines.concat());
    let mut files = parse(diff.as_bytes()).files;
    let hunks = std::mem::take(&mut files[0].hunks);
    ReviewFile { path: "x".to_owned(), language, is_new: true, is_test: false, hunks }
}

/// The kinds of block around the line that has the mark, innermost first.
fn around(language: Language, text: &str) -> Vec<BlockKind> {
    let file = file(language, text);
    let view = View::new(&file, &file.hunks[0]);
    let place = view.lines.iter().position(|line| line.raw.contains("HERE")).unwrap();
    let column = view.lines[place].raw.find("HERE").unwrap();
    view.around(place, column).map(|block| block.kind).collect()
}

use BlockKind::{AsyncFunction, Catch, Condition, Function, Loop, Other, Switch, Try, Type};

#[test]
fn braces_tell_the_blocks() {
    let rust = "impl A {\n    async fn f(&self) -> u8 {\n        'a: for x in y {\n            if x { HERE }\n";
    assert_eq!(around(Language::Rust, rust), [Condition, Loop, AsyncFunction, Type]);
    let rust = "fn f() {\n    x.iter().for_each(|y| {\n        HERE\n";
    assert_eq!(around(Language::Rust, rust), [Loop, Function]);
    let rust = "async fn f() {\n    spawn(move || {\n        HERE\n    });\n";
    assert_eq!(around(Language::Rust, rust), [Function, AsyncFunction]);
    let rust = "fn f() {\n    spawn(async move {\n        match x { A => { HERE } }\n";
    assert_eq!(around(Language::Rust, rust), [Other, Switch, AsyncFunction, Function]);
    let rust = "impl<T> Trait for A<T> {\n    fn f() {}\n    const HERE: u8 = 1;\n}\n";
    assert_eq!(around(Language::Rust, rust), [Type]);
    let script = "export async function f(a) {\n  for (let i = 0; i < 3; i++) {\n    HERE\n";
    assert_eq!(around(Language::JavaScript, script), [Loop, AsyncFunction]);
    let script = "a.forEach(async (b) => {\n  HERE\n});\n";
    assert_eq!(around(Language::TypeScript, script), [Loop]);
    let script = "const f = async (a) => {\n  try { g(); } catch (e) { HERE }\n";
    assert_eq!(around(Language::TypeScript, script), [Catch, AsyncFunction]);
    let go = "func (s *S) F() {\n\tfor _, a := range b {\n\t\tgo func() {\n\t\t\tHERE\n";
    assert_eq!(around(Language::Go, go), [Function, Loop, Function]);
    let java = "class A {\n  void f(int a) throws E {\n    switch (a) { default: HERE }\n";
    assert_eq!(around(Language::Java, java), [Switch, Function, Type]);
    let closed = "fn f() {\n    for x in y { g(); }\n    HERE\n";
    assert_eq!(around(Language::Rust, closed), [Function]);
}

#[test]
fn indentation_tells_the_blocks() {
    let python = "class A:\n    async def f(\n        self,\n    ):\n        for x in y:\n            HERE\n";
    assert_eq!(around(Language::Python, python), [Loop, AsyncFunction, Type]);
    let python = "def f():\n    try:\n        a()\n    except B:\n\n        HERE\n";
    assert_eq!(around(Language::Python, python), [Catch, Function]);
    let python = "for x in y:\n    a()\nHERE\n";
    assert_eq!(around(Language::Python, python), []);
    let python = "x = {\n    'a': 1,\n}\nif x:\n    HERE\n";
    assert_eq!(around(Language::Python, python), [Condition]);
}

#[test]
fn words_tell_the_blocks() {
    let ruby = "class A\n  def f\n    b.each do |c|\n      HERE\n    end\n  end\nend\n";
    assert_eq!(around(Language::Ruby, ruby), [Loop, Function, Type]);
    let ruby = "def f\n  a\nrescue B\n  HERE\nend\n";
    assert_eq!(around(Language::Ruby, ruby), [Catch]);
    let ruby = "def f\n  x = if a then b else c end\n  return 1 if d\n  HERE\nend\n";
    assert_eq!(around(Language::Ruby, ruby), [Function]);
    let ruby = "begin\n  HERE\nend\n";
    assert_eq!(around(Language::Ruby, ruby), [Try]);
}

#[test]
fn what_closes_something_above_the_piece_is_passed_over() {
    assert_eq!(around(Language::Rust, "        }\n    }\n}\nfn f() {\n    HERE\n"), [Function]);
    assert_eq!(around(Language::Ruby, "  end\nend\ndef f\n  HERE\nend\n"), [Function]);
}
