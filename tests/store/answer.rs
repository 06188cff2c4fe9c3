//! First answers: kept once by key, and given again word for word.

use super::*;
use orch_mcp::store::StoredAnswer;

fn an_answer(text: &str) -> StoredAnswer {
    StoredAnswer { operation: "push_task".to_owned(), digest: "d".to_owned(), answer: format!("{{\"a\":\"{text}\"}}") }
}

every_store! {
    fn an_answer_reads_back_word_for_word(store) {
        let answer = an_answer("b \u{2028} ü");
        store.write(|tx| tx.keep_answer("k", &answer)).unwrap();
        assert_eq!(store.read(|tx| tx.answer("k")).unwrap(), Some(answer));
        assert_eq!(store.read(|tx| tx.answer("K")).unwrap(), None);
    }

    fn the_first_answer_of_a_key_stands(store) {
        store.write(|tx| tx.keep_answer("k", &an_answer("first"))).unwrap();
        assert!(store.try_out(|tx| tx.keep_answer("k", &an_answer("second"))).is_err());
        assert_eq!(store.read(|tx| tx.answer("k")).unwrap(), Some(an_answer("first")));
    }

    fn an_answer_that_was_not_kept_frees_its_key(store) {
        store.try_out(|tx| tx.keep_answer("k", &an_answer("tried"))).unwrap();
        store.write(|tx| tx.keep_answer("k", &an_answer("kept"))).unwrap();
        assert_eq!(store.read(|tx| tx.answer("k")).unwrap(), Some(an_answer("kept")));
    }
}

every_shared_store! {
    fn an_answer_is_everybodys(store) {
        store.write(|tx| tx.keep_answer("k", &an_answer("a"))).unwrap();
        assert_eq!(store.second().read(|tx| tx.answer("k")).unwrap(), Some(an_answer("a")));
    }
}
