//! The frames in which a client puts before its model what did not come from the user.

/// A model takes what stands between them for the client's word, and what stands behind their end for the user's.
const FRAMES: [&str; 3] = ["system-reminder", "task-notification", "local-command"];

/// Looks like the first character of a tag, and is none.
const NO_TAG: char = '\u{2039}';

/// The text without anything that could end such a frame or begin one. As long as it was.
pub fn kept_within(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        kept.push_str(before);
        kept.push(if is_frame(&tag[1..]) { NO_TAG } else { '<' });
        rest = &tag[1..];
    }
    kept + rest
}

fn is_frame(tag: &str) -> bool {
    let name = tag.trim_start_matches(|c: char| c == '/' || c.is_whitespace());
    FRAMES.iter().any(|frame| name.get(..frame.len()).is_some_and(|name| name.eq_ignore_ascii_case(frame)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_frame_or_begins_one() {
        for tag in ["</system-reminder>", "<SYSTEM-Reminder a=1>", "< / task-notification>", "<<system-reminder"] {
            let kept = kept_within(&format!("a {tag} b"));
            assert_eq!(kept.chars().count(), tag.chars().count() + 4);
            assert_eq!(kept.replace(NO_TAG, "<"), format!("a {tag} b"));
            assert!(kept.contains(NO_TAG), "{kept}");
        }
        for text in ["a < b", "Vec<System>", "<", "<system-réminder>", "<syst", ""] {
            assert_eq!(kept_within(text), text);
        }
    }
}
