//! Did you mean …? The word somebody probably wanted to write.

/// No name is longer, and comparing costs the product of the lengths.
const COMPARED_CHARS_MAX: usize = 64;

/// The candidate that somebody who wrote `text` may have meant.
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if text.chars().count() > COMPARED_CHARS_MAX {
        return None;
    }
    let most = (text.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&text.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters to add, drop, change or swap with a neighbour to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let change = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let words = ["claim_task", "complete_task", "list_tasks"];
        assert_eq!(nearest("list_taks", words.into_iter()), Some("list_tasks"));
        assert_eq!(nearest("calim_task", words.into_iter()), Some("claim_task"));
        assert_eq!(nearest("frobnicate", words.into_iter()), None);
    }
}
