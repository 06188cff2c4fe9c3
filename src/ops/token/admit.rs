//! Who stands at the door: the one question that is asked before anybody is known.

use crate::error::Result;
use crate::model::access::Principal;
use crate::ops::execute::LocalDesk;
use crate::ops::execute::Reading;
use crate::ops::token::secret::Secret;
use crate::store::Mode;
use crate::store::Tokens;

/// For whom a token opens the door now, if for anybody.
pub fn admit(desk: &LocalDesk, shown: &Secret) -> Result<Option<Principal>> {
    look_up(desk.reading(), shown)
}

/// The same, where nobody has to be waited for.
pub fn admit_at_once(desk: &LocalDesk, shown: &Secret) -> Option<Result<Option<Principal>>> {
    Some(look_up(desk.try_reading()?, shown))
}

fn look_up(mut store: Reading<'_>, shown: &Secret) -> Result<Option<Principal>> {
    let mut tx = store.for_reading()?.begin(Mode::Read)?;
    let at = tx.now().at;
    let known = Tokens::token(&mut *tx, &shown.id)?;
    let good = known.filter(|token| shown.has_hash(&token.hash) && token.is_good(at));
    Ok(good.map(|token| token.opens_for()))
}

/// Of these tokens, by their ids, those that open the door no more.
pub fn lapsed(desk: &LocalDesk, ids: Vec<String>) -> Result<Vec<String>> {
    let mut store = desk.reading();
    let mut tx = store.for_reading()?.begin(Mode::Read)?;
    let at = tx.now().at;
    let mut lapsed = Vec::new();
    for id in ids {
        if !Tokens::token(&mut *tx, &id)?.is_some_and(|token| token.is_good(at)) {
            lapsed.push(id);
        }
    }
    Ok(lapsed)
}
