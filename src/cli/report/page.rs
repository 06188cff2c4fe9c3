//! What is known, as a page: each section a list, in Markdown or in HTML, in the gaps of a template.

use crate::error::Result;
use crate::model::fields::Spot;
use crate::model::safe;
use crate::model::template::Template;
use crate::model::template::Values;

pub(super) const GAPS: &[&str] =
    &["from", "until", "summary", "done", "doing", "blocked", "failures", "cost", "repositories", "next"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Markdown,
    Html,
}

impl Form {
    /// Of the files in which it stands.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Form::Markdown => "md",
            Form::Html => "html",
        }
    }

    pub(super) fn template(self) -> &'static str {
        match self {
            Form::Markdown => include_str!("report.md"),
            Form::Html => include_str!("report.html"),
        }
    }
}

/// A line of a list: what it is about, what is said of it, and what besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) gap: &'static str,
    pub(super) items: Vec<Item>,
    /// How many there are besides.
    pub(super) more: u64,
    /// What is said where there are none.
    pub(super) empty: &'static str,
}

/// `texts` stand by themselves. `spot` is where the template begins.
pub(super) fn page(
    form: Form,
    template: &str,
    spot: &Spot,
    texts: &[(&'static str, String)],
    sections: &[Section],
) -> Result<String> {
    let texts = texts.iter().map(|(gap, text)| (*gap, plain(form, text)));
    let sections = sections.iter().map(|section| (section.gap, list(form, section)));
    let values: Values = texts.chain(sections).collect();
    Template::parse(template, spot, GAPS)?.render(&values)
}

fn list(form: Form, section: &Section) -> String {
    if section.items.is_empty() {
        return match form {
            Form::Markdown => section.empty.to_owned(),
            Form::Html => format!("<p>{}</p>", section.empty),
        };
    }
    let more = (section.more > 0).then(|| format!("and {} more", section.more));
    let lines: Vec<String> = match form {
        Form::Markdown => {
            let items = section.items.iter().map(|item| {
                let note = item.note.as_ref().map(|note| format!(" — {}", plain(form, note))).unwrap_or_default();
                format!("- **{}** {}{note}", plain(form, &item.id), plain(form, &item.text))
            });
            items.chain(more.map(|more| format!("- {more}"))).collect()
        }
        Form::Html => {
            let items = section.items.iter().map(|item| {
                let note = item.note.as_ref().map(|note| format!("<small>{}</small>", plain(form, note)));
                let (id, text) = (plain(form, &item.id), plain(form, &item.text));
                format!("<li><strong>{id}</strong> {text}{}</li>", note.unwrap_or_default())
            });
            let items = items.chain(more.map(|more| format!("<li>{more}</li>")));
            ["<ul>".to_owned()].into_iter().chain(items).chain(["</ul>".to_owned()]).collect()
        }
    };
    lines.join("\n")
}

/// What somebody wrote, in one line that means nothing but itself.
fn plain(form: Form, text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = safe::for_people(&line).into_owned();
    let mut plain = String::with_capacity(line.len());
    for c in line.chars() {
        match (form, c) {
            (Form::Markdown, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' | '~') => {
                plain.extend(['\\', c]);
            }
            (Form::Html, '&') => plain.push_str("&amp;"),
            (Form::Html, '<') => plain.push_str("&lt;"),
            (Form::Html, '>') => plain.push_str("&gt;"),
            (Form::Html, '"') => plain.push_str("&quot;"),
            (Form::Html, '\'') => plain.push_str("&#39;"),
            (_, c) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(text: &str) -> Vec<Section> {
        let item = Item { id: "task-1".to_owned(), text: text.to_owned(), note: Some(text.to_owned()) };
        let of = |gap| Section { gap, items: vec![item.clone()], more: 3, empty: "Nothing." };
        GAPS[3..].iter().copied().map(of).collect()
    }

    fn made(form: Form, text: &str) -> String {
        let texts = ["from", "until", "summary"].map(|gap| (gap, text.to_owned()));
        page(form, form.template(), &Spot::new("t", 1), &texts, &sections(text)).unwrap()
    }

    #[test]
    fn whatever_somebody_wrote_means_nothing_but_itself() {
        let hostile = "<script>x</script>\n# a {{done}} [l](javascript:x) '\"&\u{1b}[2J";
        let html = made(Form::Html, hostile);
        assert!(!html.contains("<script") && !html.contains('\u{1b}'), "{html}");
        assert!(html.contains("&lt;script&gt;x&lt;/script&gt; # a {{done}}"), "a value is no template: {html}");
        assert!(html.contains("&#39;&quot;&amp;") && html.contains("<li>and 3 more</li>"), "{html}");
        let markdown = made(Form::Markdown, hostile);
        assert!(markdown.contains("\\<script\\>") && markdown.contains("\\[l\\](javascript:x)"), "{markdown}");
        assert!(!markdown.contains("\n# a"), "{markdown}");
    }

    #[test]
    fn a_page_of_html_needs_nothing_else_and_fits_a_phone() {
        let html = made(Form::Html, "x");
        assert!(html.contains("name=\"viewport\"") && html.contains("default-src 'none'"));
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src="));
    }

    #[test]
    fn what_is_empty_is_said_in_a_line_and_a_wrong_gap_by_its_place() {
        let none: Vec<Section> =
            sections("x").into_iter().map(|section| Section { items: Vec::new(), ..section }).collect();
        let spot = Spot::new("own.md", 1);
        let page = |template: &str| page(Form::Markdown, template, &spot, &[], &none);
        assert_eq!(page("## Done\n{{done}}\n").unwrap(), "## Done\nNothing.\n");
        assert!(page("\n{{dnoe}}").unwrap_err().message.contains("own.md line 2"), "{:?}", page("\n{{dnoe}}"));
    }
}
