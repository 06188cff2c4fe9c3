//! Tokens in SQLite.

use crate::error::Result;
use crate::model::access::Access;
use crate::model::access::Token;
use crate::model::time::Timestamp;
use crate::store::Tokens;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;

const COLUMNS: &str = "id, principal, access, hash, created_at, expires_at, revoked_at";

fn read(row: &Row) -> rusqlite::Result<Token> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp::from_millis));
    Ok(Token {
        id: row.get(0)?,
        principal: row.get(1)?,
        // A word that is none, which the table forbids, opens no more than the least.
        access: Access::of_word(&row.get::<_, String>(2)?).unwrap_or(Access::Read),
        hash: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        expires_at: time(5)?,
        revoked_at: time(6)?,
    })
}

impl Tokens for SqliteTx<'_> {
    fn token(&mut self, id: &str) -> Result<Option<Token>> {
        self.db()
            .prepare_cached(&format!("select {COLUMNS} from token where id = ?1"))
            .and_then(|mut find| find.query_row([id], read).optional())
            .map_err(failed)
    }

    fn tokens(&mut self) -> Result<Vec<Token>> {
        self.db()
            .prepare_cached(&format!("select {COLUMNS} from token order by created_at, id"))
            .and_then(|mut list| list.query_map([], read)?.collect())
            .map_err(failed)
    }

    fn put_token(&mut self, token: &Token) -> Result<()> {
        self.writable()?
            .prepare_cached(
                "insert into token (id, principal, access, hash, created_at, expires_at, revoked_at)
                 values (:id, :principal, :access, :hash, :created_at, :expires_at, :revoked_at)
                 on conflict (id) do update set revoked_at = :revoked_at",
            )
            .and_then(|mut write| {
                write.execute(named_params! {
                    ":id": token.id,
                    ":principal": token.principal,
                    ":access": token.access.word(),
                    ":hash": token.hash,
                    ":created_at": token.created_at.millis(),
                    ":expires_at": token.expires_at.map(Timestamp::millis),
                    ":revoked_at": token.revoked_at.map(Timestamp::millis),
                })
            })
            .map(drop)
            .map_err(failed)
    }
}
