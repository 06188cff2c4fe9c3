//! Instances in SQLite.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::instance::BEYOND_CLAIM_MS;
use crate::model::instance::Instance;
use crate::model::instance::PRESENCE_SECS;
use crate::model::time::Now;
use crate::model::time::RENEWED_WITH_MS_LEFT;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::model::time::renewal_of;
use crate::store::InstanceFilter;
use crate::store::Instances;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::conditions::Conditions;
use crate::store::sqlite::failed;
use rusqlite::CachedStatement;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;

macro_rules! columns {
    () => {
        "id, name, role, work_dir, metadata, current_task, session, owner, incarnation, registered_at, seen_at, renewed, lease_until, renew_at, version"
    };
}

fn read(row: &Row) -> rusqlite::Result<Instance> {
    Ok(Instance {
        id: InstanceId::from_stored(row.get(0)?),
        name: row.get(1)?,
        role: row.get(2)?,
        work_dir: row.get(3)?,
        metadata: row.get::<_, Option<String>>(4)?.and_then(|json| serde_json::from_str(&json).ok()),
        current_task: row.get(5)?,
        session: row.get(6)?,
        owner: row.get(7)?,
        incarnation: row.get(8)?,
        registered_at: Timestamp::from_millis(row.get(9)?),
        seen_at: Timestamp::from_millis(row.get(10)?),
        renewed: Tick::from_millis(row.get(11)?),
        lease_until: Tick::from_millis(row.get(12)?),
        renew_at: Tick::from_millis(row.get(13)?),
        version: row.get::<_, i64>(14)? as u64,
    })
}

impl SqliteTx<'_> {
    fn one_instance(&mut self, column: &'static str, sql: &str, value: &str) -> Result<Option<Instance>> {
        if let Some(known) = self.store.memo.instance(column, value) {
            return Ok(known.clone());
        }
        let find = |mut find: CachedStatement| find.query_row([value], read).optional();
        let found = self.db().prepare_cached(sql).and_then(find).map_err(failed)?;
        self.store.memo.keep_instance(column, value, &found);
        Ok(found)
    }

    fn write_instance(&mut self, sql: &str, instance: &Instance) -> Result<usize> {
        self.store.memo.forget_instances();
        // A session speaks as one instance: the newest that it registered.
        if let Some(session) = &instance.session {
            self.writable()?
                .prepare_cached("update instance set session = null where session = ?1 and id <> ?2")
                .and_then(|mut other| other.execute((session, instance.id.as_str())))
                .map_err(failed)?;
        }
        let metadata = instance.metadata.as_ref().map(|map| serde_json::Value::Object(map.clone()).to_string());
        self.writable()?
            .prepare_cached(sql)
            .and_then(|mut write| {
                write.execute(named_params! {
                    ":id": instance.id.as_str(),
                    ":name": instance.name,
                    ":role": instance.role,
                    ":work_dir": instance.work_dir,
                    ":metadata": metadata,
                    ":current_task": instance.current_task,
                    ":session": instance.session,
                    ":owner": instance.owner,
                    ":incarnation": instance.incarnation,
                    ":registered_at": instance.registered_at.millis(),
                    ":seen_at": instance.seen_at.millis(),
                    ":renewed": instance.renewed.millis(),
                    ":lease_until": instance.lease_until.millis(),
                    ":renew_at": instance.renew_at.millis(),
                    ":version": instance.version as i64,
                })
            })
            .map_err(|error| taken(error, instance))
    }
}

/// The unique keys are the id and the name: whoever came first keeps them.
fn taken(error: rusqlite::Error, instance: &Instance) -> Error {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
        return Error::new(
            Kind::Conflict,
            format!("the id `{}` or the name `{}` is taken", instance.id, instance.name),
        );
    }
    failed(error)
}

fn conditions(filter: &InstanceFilter) -> Conditions {
    Conditions::default()
        .given(filter.role.clone(), ":role", "role = :role collate nocase")
        .given(filter.online_at.map(Tick::millis), ":tick", "lease_until > :tick")
        .given(filter.owner.clone(), ":owner", "owner = :owner")
        .given(filter.after.clone(), ":after", "name > :after")
}

impl Instances for SqliteTx<'_> {
    fn instance(&mut self, id: &InstanceId) -> Result<Option<Instance>> {
        self.one_instance("id", concat!("select ", columns!(), " from instance where id = ?1"), id.as_str())
    }

    fn instance_by_name(&mut self, name: &str) -> Result<Option<Instance>> {
        self.one_instance("name", concat!("select ", columns!(), " from instance where name = ?1"), name)
    }

    fn instance_by_session(&mut self, session: &str) -> Result<Option<Instance>> {
        self.one_instance("session", concat!("select ", columns!(), " from instance where session = ?1"), session)
    }

    fn instance_by_client(&mut self, client: &str) -> Result<Option<Instance>> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from instance where id = (select instance from session where client = ?1)"
        );
        self.one_instance("client", SELECT, client)
    }

    fn insert_instance(&mut self, instance: &mut Instance) -> Result<()> {
        instance.version = 1;
        let sql = "insert into instance (id, name, role, work_dir, metadata, current_task, session, owner, incarnation, registered_at, seen_at, renewed, lease_until, renew_at, version)
             values (:id, :name, :role, :work_dir, :metadata, :current_task, :session, :owner, :incarnation, :registered_at, :seen_at, :renewed, :lease_until, :renew_at, :version)";
        self.write_instance(sql, instance).map(drop)
    }

    fn update_instance(&mut self, instance: &mut Instance) -> Result<()> {
        let sql = "update instance set name = :name, role = :role, work_dir = :work_dir, metadata = :metadata,
                current_task = :current_task, session = :session, owner = :owner, incarnation = :incarnation,
                registered_at = :registered_at, seen_at = :seen_at, renewed = :renewed,
                lease_until = :lease_until, renew_at = :renew_at, version = :version + 1
             where id = :id and version = :version";
        if self.write_instance(sql, instance)? == 0 {
            return Err(Error::new(Kind::Conflict, format!("instance `{}` changed meanwhile", instance.id)));
        }
        instance.version += 1;
        Ok(())
    }

    fn renew_presence(&mut self, id: &InstanceId, now: Now) -> Result<()> {
        self.store.memo.forget_instances();
        let until = now.tick.plus_secs(PRESENCE_SECS);
        self.writable()?
            .prepare_cached(
                "update instance set seen_at = ?2, renewed = ?3,
                    lease_until = max(?4, coalesce(
                        (select max(lease_until + lease_secs * ?6) from task where holder = ?1 and lease_until is not null), 0)),
                    renew_at = min(?5, coalesce(
                        (select min(lease_until - lease_secs * ?7) from task where holder = ?1 and lease_until is not null), ?5))
                 where id = ?1",
            )
            .and_then(|mut renew| {
                let again = renewal_of(until, PRESENCE_SECS);
                renew.execute((
                    id.as_str(),
                    now.at.millis(),
                    now.tick.millis(),
                    until.millis(),
                    again.millis(),
                    BEYOND_CLAIM_MS,
                    RENEWED_WITH_MS_LEFT,
                ))
            })
            .map(drop)
            .map_err(failed)
    }

    fn list_instances(&mut self, filter: &InstanceFilter, limit: u32) -> Result<Vec<Instance>> {
        let conditions = conditions(filter).value(limit, ":limit");
        let sql = format!(
            concat!("select ", columns!(), " from instance where 1{} order by name limit :limit"),
            conditions.sql
        );
        self.db()
            .prepare_cached(&sql)
            .and_then(|mut list| list.query_map(&*conditions.values(), read)?.collect())
            .map_err(failed)
    }

    fn count_instances(&mut self, filter: &InstanceFilter) -> Result<u64> {
        let conditions = conditions(filter);
        let sql = format!("select count(*) from instance where 1{}", conditions.sql);
        self.db()
            .prepare_cached(&sql)
            .and_then(|mut count| count.query_row(&*conditions.values(), |row| row.get::<_, i64>(0)))
            .map(|count| count as u64)
            .map_err(failed)
    }
}
