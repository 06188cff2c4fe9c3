//! A command with gaps, as somebody wrote it into a file: words for a program, each handed on as it is, or a text for a shell
//! where that was asked for. What is filled into a gap never becomes another word, an option or a command.

use crate::error::Error;
use crate::error::Result;
use crate::model::fields::Spot;
use crate::model::fields::Value;
use crate::model::template::Template;
use crate::model::template::Values;

/// What a command may ask of its repository. `local` is what older registries call the path.
pub const GAPS: &[&str] =
    &["name", "path", "local", "remote", "platform", "default_branch", "language", "tags", "workflow"];

/// Before each of them, in the environment of a shell.
const VARIABLE: &str = "ORCH_REPO_";

/// What means something to a shell, outside of quotes.
const SIGNS: &str = "|&;<>()$`*?\\";

/// The key under which a text for a shell stands.
const SHELL: &str = "shell";

const WANTED: &str = "a command: a text such as `go test ./...`, a list of words, or `{ shell = \"…\" }`";

#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    pub written: Written,
    how: How,
    spot: Spot,
}

/// As it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Line(String),
    Words(Vec<String>),
    Shell(String),
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    Words(Vec<Template>),
    Shell(Template),
}

/// A command that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Words(Vec<String>),
    /// As `sh -c` takes it, and what its environment must hold besides.
    Shell {
        text: String,
        variables: Vec<(String, String)>,
    },
}

impl Recipe {
    /// `what` is what messages call it.
    pub fn read(value: &Value, spot: &Spot, what: &str) -> Result<Recipe> {
        let wanted = |found: &Value| {
            spot.error(format!("{what} is {found}, wanted {WANTED}")).hint("correct it, or take it out")
        };
        let is_text = |text: &str| !text.trim().is_empty() && !text.contains('\0');
        let written = match value {
            Value::Text(text) if is_text(text) && !text.contains(|c: char| c.is_control() && c != '\t') => {
                Written::Line(text.trim().to_owned())
            }
            Value::List(items) => {
                let word = |value: &Value| match value {
                    Value::Text(word) if !word.contains('\0') => Some(word.clone()),
                    _ => None,
                };
                let words: Option<Vec<String>> = items.iter().map(|item| word(&item.value)).collect();
                Written::Words(words.ok_or_else(|| wanted(value))?)
            }
            Value::Table(fields) => {
                fields.only(what, &[SHELL])?;
                let text = fields.read(SHELL, "a text for a shell", |value| match value {
                    Value::Text(text) if is_text(text) => Some(text.clone()),
                    _ => None,
                })?;
                Written::Shell(text.ok_or_else(|| wanted(value))?)
            }
            _ => return Err(wanted(value)),
        };
        let how = match &written {
            Written::Line(line) => {
                // As a whole first, so that a complaint counts its columns from where the command begins.
                Template::parse(line, spot, GAPS)?;
                How::Words(templates(&words_of(line, spot, what)?, spot)?)
            }
            Written::Words(words) => How::Words(templates(words, spot)?),
            Written::Shell(text) => {
                check_quotes(text, spot, what)?;
                How::Shell(Template::parse(text, spot, GAPS)?)
            }
        };
        if let How::Words(words) = &how {
            check_program(words, spot, what)?;
        }
        Ok(Recipe { written, how, spot: spot.clone() })
    }

    /// With the gaps filled. A gap without a value is an error.
    pub fn call(&self, values: &Values) -> Result<Call> {
        match &self.how {
            How::Words(words) => words.iter().map(|word| word.render(values)).collect::<Result<_>>().map(Call::Words),
            How::Shell(text) => {
                // The shell reads the value out of its environment, so nothing in it is ever read as a command.
                let named = values.keys().map(|name| (*name, format!("\"${}\"", variable(name)))).collect();
                let variables = values.iter().map(|(name, value)| (variable(name), value.clone())).collect();
                Ok(Call::Shell { text: text.render(&named)?, variables })
            }
        }
    }

    pub fn spot(&self) -> &Spot {
        &self.spot
    }
}

impl Call {
    /// For a shell: what fills its gaps goes with it.
    pub fn line(&self) -> String {
        let Call::Shell { text, variables } = self else { return self.shown() };
        let set = variables.iter().map(|(name, value)| format!("export {name}={}; ", quoted(value)));
        set.chain([text.clone()]).collect()
    }

    /// As a person would type it.
    pub fn shown(&self) -> String {
        match self {
            Call::Words(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
            Call::Shell { text, .. } => text.clone(),
        }
    }
}

fn variable(gap: &str) -> String {
    format!("{VARIABLE}{}", gap.to_ascii_uppercase())
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_./:=@%+,-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn templates(words: &[String], spot: &Spot) -> Result<Vec<Template>> {
    words.iter().map(|word| Template::parse(word, spot, GAPS)).collect()
}

/// What is run is said in the file, and by no value of a gap.
fn check_program(words: &[Template], spot: &Spot, what: &str) -> Result<()> {
    let Some(program) = words.first() else {
        return Err(spot.error(format!("{what} has no words, wanted {WANTED}")));
    };
    if let Some((gap, _)) = program.gaps().first() {
        return Err(gap.error("a gap in the name of the program").hint("name the program in the file"));
    }
    let name: String = program.texts().collect();
    if name.is_empty() {
        return Err(spot.error(format!("{what} begins with an empty word, wanted the name of a program")));
    }
    if name.contains('=') {
        let error = spot.error(format!("{what} begins with `{}`, which only a shell takes for a variable", name));
        return Err(error.hint("write `{ shell = \"…\" }`, or `env` before it"));
    }
    Ok(())
}

/// Words are told apart by spaces; quotes of both kinds keep spaces together, and that is all.
fn words_of(line: &str, spot: &Spot, what: &str) -> Result<Vec<String>> {
    let for_a_shell = |sign: char| -> Error {
        spot.error(format!("{what} has `{sign}`, which only a shell understands"))
            .hint("write `{ shell = \"…\" }` to have one, or put it into '…' if it belongs to a word")
    };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some('"') if "$`\\".contains(c) => return Err(for_a_shell(c)),
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None if SIGNS.contains(c) || "~#".contains(c) && word.is_none() => return Err(for_a_shell(c)),
            None => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(spot.error(format!("{what} has a `{open}` without its end")).hint("end it, or take it out"));
    }
    words.extend(word);
    Ok(words)
}

/// Each gap is a word in quotes of its own: in others it would be something else.
fn check_quotes(text: &str, spot: &Spot, what: &str) -> Result<()> {
    let mut quote: Option<char> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('\''), '\\') => {}
            (_, '\\') => drop(rest.next()),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), '{') if is_gap(rest.as_str()) => {
                let error = spot.error(format!("{what} has a gap inside of `{open}`"));
                return Err(error.hint("take the quotes away: a gap is one word, whatever its value holds"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_gap(rest: &str) -> bool {
    rest.strip_prefix('{').is_some_and(|inside| !inside.starts_with(['#', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fields::Fields;
    use crate::model::fields::Item;

    fn spot() -> Spot {
        Spot::new("orch.toml", 7)
    }

    fn line(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn list(words: &[&str]) -> Value {
        Value::List(words.iter().map(|word| Item { value: line(word), spot: spot() }).collect())
    }

    fn shell(text: &str) -> Value {
        let mut fields = Fields::new(spot());
        fields.insert("shell", line(text), spot()).unwrap();
        Value::Table(fields)
    }

    fn values() -> Values {
        [("name", "api; rm -rf ~"), ("path", "/src/my api")].map(|(name, value)| (name, value.to_owned())).into()
    }

    fn call(value: &Value) -> Result<Call> {
        Recipe::read(value, &spot(), "`go`")?.call(&values())
    }

    #[test]
    fn a_line_becomes_words_and_what_fills_a_gap_stays_one_of_them() {
        for (text, wanted) in [
            ("go test ./...", &["go", "test", "./..."][..]),
            ("  make\t-C {{path}}  all", &["make", "-C", "/src/my api", "all"]),
            ("x --name={{name}}", &["x", "--name=api; rm -rf ~"]),
            ("x 'a | b' \"c d\" '' e'f'g", &["x", "a | b", "c d", "", "efg"]),
            ("x a~b a#b {a,b} !", &["x", "a~b", "a#b", "{a,b}", "!"]),
        ] {
            let words = wanted.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(call(&line(text)), Ok(Call::Words(words)), "{text}");
        }
        let words = Call::Words(vec!["npm".to_owned(), "run $x | y".to_owned(), "/src/my api".to_owned()]);
        assert_eq!(call(&list(&["npm", "run $x | y", "{{path}}"])), Ok(words.clone()));
        assert_eq!(words.shown(), "npm 'run $x | y' '/src/my api'");
    }

    #[test]
    fn a_shell_reads_each_value_from_its_environment() {
        let Ok(Call::Shell { text, variables }) = call(&shell("cd {{path}} && echo {{name}} | tr a b")) else {
            panic!("a text for a shell");
        };
        assert_eq!(text, "cd \"$ORCH_REPO_PATH\" && echo \"$ORCH_REPO_NAME\" | tr a b");
        assert!(variables.contains(&("ORCH_REPO_NAME".to_owned(), "api; rm -rf ~".to_owned())));
    }

    #[test]
    fn what_is_wrong_with_a_command_is_named_with_its_line() {
        for (value, message) in [
            (line("a | b"), "`go` has `|`, which only a shell understands"),
            (line("a && b"), "`go` has `&`, which only a shell understands"),
            (line("cd $HOME"), "`go` has `$`, which only a shell understands"),
            (line("echo \"$HOME\""), "`go` has `$`, which only a shell understands"),
            (line("ls ~/x"), "`go` has `~`, which only a shell understands"),
            (line("ls *.go"), "`go` has `*`, which only a shell understands"),
            (line("echo 'a"), "`go` has a `'` without its end"),
            (line("make {{nam}}"), "column 6: `{{nam}}` is none of the names"),
            (line("{{name}} test"), "column 1: a gap in the name of the program"),
            (line("CI=1 go test"), "`go` begins with `CI=1`, which only a shell takes for a variable"),
            (line("'' x"), "`go` begins with an empty word"),
            (line("  "), "`go` is the text `  `, wanted a command"),
            (line("a\nb"), "`go` is the text `a\\nb`, wanted a command"),
            (list(&[]), "`go` has no words"),
            (Value::Whole(5), "`go` is the number 5, wanted a command: a text such as `go test ./...`"),
            (shell("echo \"{{name}}\""), "`go` has a gap inside of `\"`"),
            (shell("echo '{{name}}'"), "`go` has a gap inside of `'`"),
            (shell("echo {{nmae}}"), "column 6: `{{nmae}}` is none of the names"),
        ] {
            let error = Recipe::read(&value, &spot(), "`go`").expect_err(message);
            assert!(error.message.starts_with(&format!("orch.toml line 7: {message}")), "{error}");
        }
        let mut stray = Fields::new(spot());
        stray.insert("sehll", line("x"), spot()).unwrap();
        let error = Recipe::read(&Value::Table(stray), &spot(), "`go`").expect_err("no such key");
        assert_eq!(error.message, "orch.toml line 7: `go` has no key `sehll`");
    }

    #[test]
    fn a_gap_without_a_value_is_an_error_and_a_part_stands_only_where_there_is_one() {
        assert!(
            call(&line("git log {{remote}}")).expect_err("no remote").message.contains("no value for `{{remote}}`")
        );
        let text = "x {{#tags}}--tags {{tags}} {{/tags}}{{#name}}y {{/name}}\"it's\" \\\" {{name}}";
        let Ok(Call::Shell { text, .. }) = call(&shell(text)) else { panic!("a text for a shell") };
        assert_eq!(text, "x y \"it's\" \\\" \"$ORCH_REPO_NAME\"");
        assert!(call(&shell("x {{remote}}")).is_err());
    }
}
