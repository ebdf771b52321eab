//! The document as one page of plain HTML: to be read without a script, searched, printed.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Its look. Hashed nowhere: the page has no script, and styles do no harm.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#1b1f1d;background:#fff}code{font:0.9em ui-monospace,monospace;\
    overflow-wrap:anywhere}h2{border-top:1px solid #cfd6d1;padding-top:1.5rem}h2 code{font-size:1em}\
    table{border-collapse:collapse;width:100%;margin:0.5rem 0}th,td{text-align:left;\
    vertical-align:top;padding:0.25rem 0.75rem 0.25rem 0;border-bottom:1px solid #e4e9e6}\
    ul{margin:0;padding-left:1.2rem}nav ul{columns:2 20rem;list-style:none;padding:0}\
    @media (prefers-color-scheme:dark){body{background:#141816;color:#e3e8e5}a{color:#8fc7ff}\
    h2,th,td{border-color:#38413c}}";

/// Methods in the order of OpenAPI.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The page of an OpenAPI document.
#[must_use]
pub fn page(document: &Value) -> String {
    let title = text(&document["info"]["title"]);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title} {}</h1><p>{}</p>",
        text(&document["info"]["version"]),
        prose(&document["info"]["description"]),
    );
    page.push_str("<p>The same as <a href=\"/openapi.json\">OpenAPI 3.1</a> and to try: <a href=\"/docs/\">/docs</a>.</p><nav><ul>");
    for (path, method, operation) in operations(document) {
        write(
            &mut page,
            format_args!(
                "<li><a href=\"#{}\"><code>{} {}</code></a></li>",
                text(&operation["operationId"]),
                method.to_uppercase(),
                escaped(path)
            ),
        );
    }
    page.push_str("</ul></nav>");
    for (path, method, operation) in operations(document) {
        show(&mut page, path, method, operation);
    }
    page.push_str("<h1>Schemas</h1>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        show_schema(&mut page, name, schema);
    }
    page.push_str("</body></html>");
    page
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    members(&document["paths"]).flat_map(|(path, item)| {
        let of = move |method: &'static str| Some((path, method, item.get(method)?));
        METHODS.into_iter().filter_map(of)
    })
}

fn show(page: &mut String, path: &str, method: &str, operation: &Value) {
    write(
        page,
        format_args!(
            "<h2 id=\"{}\"><code>{} {}</code></h2><p><strong>{}</strong></p><p>{}</p>",
            text(&operation["operationId"]),
            method.to_uppercase(),
            escaped(path),
            prose(&operation["summary"]),
            prose(&operation["description"]),
        ),
    );
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>");
    }
    for parameter in parameters {
        let needed = if parameter["required"] == true { ", required" } else { "" };
        write(
            page,
            format_args!(
                "<tr><td><code>{}</code></td><td>{}{needed}</td><td>{}</td><td>{}</td></tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                kind(&parameter["schema"]),
                prose(&parameter["description"]),
            ),
        );
    }
    if !parameters.is_empty() {
        page.push_str("</table>");
    }
    for (media, body) in members(&operation["requestBody"]["content"]) {
        write(
            page,
            format_args!("<p>Body: <code>{}</code>, {}</p>", escaped(media), kind(&body["schema"])),
        );
    }
    page.push_str("<table><tr><th>Answer</th><th>Body</th><th></th></tr>");
    for (status, answer) in members(&operation["responses"]) {
        let bodies: Vec<String> =
            members(&answer["content"]).map(|(_, body)| kind(&body["schema"])).collect();
        write(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(status),
                bodies.join(" or "),
                prose(&answer["description"]),
            ),
        );
    }
    page.push_str("</table>");
}

fn show_schema(page: &mut String, name: &str, schema: &Value) {
    write(
        page,
        format_args!(
            "<h2 id=\"schema-{0}\"><code>{0}</code></h2><p>{1}</p>",
            escaped(name),
            prose(&schema["description"])
        ),
    );
    if schema["properties"].is_null() {
        write(page, format_args!("<p>{}</p>", kind(schema)));
        return;
    }
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    page.push_str("<table><tr><th>Member</th><th>Type</th><th></th></tr>");
    for (member, schema) in members(&schema["properties"]) {
        let needed = match required.iter().any(|name| *name == member) {
            true => "",
            false => " (may be missing)",
        };
        write(
            page,
            format_args!(
                "<tr><td><code>{}</code></td><td>{}{needed}</td><td>{}</td></tr>",
                escaped(member),
                kind(schema),
                prose(&schema["description"]),
            ),
        );
    }
    page.push_str("</table>");
}

/// What a schema lets through, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(several) = schema[several].as_array() {
            let kinds: Vec<String> = several.iter().map(kind).collect();
            return kinds.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> =
            values.iter().map(|value| format!("<code>{}</code>", text(value))).collect();
        return values.join(", ");
    }
    if !schema["const"].is_null() {
        return format!("<code>{}</code>", text(&schema["const"]));
    }
    let name = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<String>>().join(" or "),
        Value::Null => return "anything".to_owned(),
        name => text(name),
    };
    if name == "array" {
        return format!("array of {}", kind(&schema["items"]));
    }
    let mut kind = name;
    for (limit, sign) in
        [("minimum", "≥"), ("maximum", "≤"), ("maxLength", "up to"), ("maxItems", "up to")]
    {
        if !schema[limit].is_null() {
            write(&mut kind, format_args!(" {sign} {}", text(&schema[limit])));
        }
    }
    if !schema["format"].is_null() {
        write(&mut kind, format_args!(" ({})", text(&schema["format"])));
    }
    if !schema["pattern"].is_null() {
        write(&mut kind, format_args!(" <code>{}</code>", text(&schema["pattern"])));
    }
    kind
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members: Option<&Map<String, Value>> = value.as_object();
    members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// A value as text that stands for itself.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// The little Markdown that descriptions have: lists, and code between backticks.
fn prose(value: &Value) -> String {
    let whole = text(value);
    let mut page = String::with_capacity(whole.len());
    let mut in_list = false;
    for line in whole.lines() {
        let item = line.strip_prefix("- ");
        if item.is_some() != in_list {
            page.push_str(if in_list { "</ul>" } else { "<ul>" });
            in_list = item.is_some();
        }
        let line = coded(item.unwrap_or(line));
        let _infallible = match in_list {
            true => write!(page, "<li>{line}</li>"),
            false => writeln!(page, "{line}"),
        };
    }
    if in_list {
        page.push_str("</ul>");
    }
    page
}

fn coded(line: &str) -> String {
    let mut parts = line.split('`');
    let mut page = parts.next().unwrap_or_default().to_owned();
    let mut in_code = false;
    for part in parts {
        page.push_str(if in_code { "</code>" } else { "<code>" });
        in_code = !in_code;
        page.push_str(part);
    }
    if in_code {
        page.push_str("</code>");
    }
    page
}

fn escaped(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            other => page.push(other),
        }
    }
    page
}

/// Writing into a text never fails.
fn write(page: &mut String, what: std::fmt::Arguments<'_>) {
    let _infallible = page.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_document_says_is_shown_as_text_and_never_as_markup() {
        let document = json!({
            "info": {"title": "<script>", "version": "1", "description": "`a<b`\n- one\n- `two`\nend"},
            "paths": {"/v1/\"x\"": {"post": {
                "operationId": "do_x",
                "parameters": [{"name": "<i>", "in": "query", "required": true,
                    "schema": {"type": "integer", "minimum": 1}}],
                "requestBody": {"content": {"application/json": {"schema": true}}},
                "responses": {"200": {"description": "ok", "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/X"}}}}},
            }}},
            "components": {"schemas": {"X": {"required": ["a"], "properties": {
                "a": {"type": ["string", "null"]}, "b": {"enum": ["c", "d"]}}}}},
        });
        let page = page(&document);
        for expected in [
            "<title>&lt;script&gt;</title>",
            "<code>a&lt;b</code>\n<ul><li>one</li><li><code>two</code></li></ul>end\n",
            "<h2 id=\"do_x\"><code>POST /v1/&quot;x&quot;</code></h2>",
            "<td><code>&lt;i&gt;</code></td><td>query, required</td><td>integer ≥ 1</td>",
            "<code>application/json</code>, anything",
            "<td>200</td><td><a href=\"#schema-X\">X</a></td><td>ok\n</td>",
            "<td><code>a</code></td><td>string or null</td>",
            "<td><code>b</code></td><td><code>c</code>, <code>d</code> (may be missing)</td>",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        assert!(!page.contains("<script"), "{page}");
    }
}
