//! Who stands at the door: the one question that is asked before anybody is known.

use crate::error::Result;
use crate::model::access::Principal;
use crate::ops::execute::LocalDesk;
use crate::ops::token::secret::Secret;
use crate::store::Mode;
use crate::store::Tokens;

/// For whom a token opens the door now, if for anybody.
pub fn admit(desk: &LocalDesk, shown: &Secret) -> Result<Option<Principal>> {
    let mut store = desk.reading();
    let mut tx = store.for_reading()?.begin(Mode::Read)?;
    let at = tx.now().at;
    let known = Tokens::token(&mut *tx, &shown.id)?;
    let good = known.filter(|token| shown.has_hash(&token.hash) && token.is_good(at));
    Ok(good.map(|token| token.opens_for()))
}
