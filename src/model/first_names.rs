//! Names for sessions that nobody named: short, easy to tell apart, the same for the same session.

use crate::model::digest::digest;

const NAMES: &[&str] = &[
    "ada", "alan", "anita", "barbara", "brian", "carol", "claude", "dana", "dennis", "donald", "edith", "edsger",
    "elena", "emmy", "erna", "evelyn", "frances", "gerald", "grace", "hedy", "henri", "ida", "ivan", "jean", "joan",
    "john", "karen", "kathleen", "ken", "konrad", "lena", "leslie", "linus", "lois", "lynn", "margaret", "marie",
    "mary", "maurice", "mina", "niklaus", "nora", "olga", "peter", "radia", "ralph", "rosa", "ruth", "sally", "sofia",
    "stella", "susan", "tim", "tony", "ursula", "vera", "vint", "wanda", "werner", "yuki", "zoe",
];

/// One name after the other, as long as they are taken.
pub fn names_for(session: &str) -> impl Iterator<Item = String> {
    let first = NAMES[(digest(session) % NAMES.len() as u64) as usize];
    with_numbers(first)
}

/// The name itself, then with a number behind it.
pub fn with_numbers(name: &str) -> impl Iterator<Item = String> {
    let name = name.to_owned();
    (1..).map(move |number| if number == 1 { name.clone() } else { format!("{name}-{number}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::check_name;

    #[test]
    fn every_name_can_be_borne() {
        for name in NAMES {
            assert!(check_name("name", name).is_ok(), "{name}");
        }
        let names: Vec<String> = names_for("s1").take(3).collect();
        assert_eq!(names[1], format!("{}-2", names[0]));
        assert_eq!(names, names_for("s1").take(3).collect::<Vec<_>>());
    }
}
