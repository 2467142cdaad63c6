//! Every database of the node: which have a process, who may start one, and when they end.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use smcp_core::ports::{Clock, Purpose, Workload};
use smcp_types::{Error, Refusal, Result, TenantId};

use super::{
    SqlLimits,
    frame::{Ask, FILE, Tell},
    process::{Answer, Lost, Process, Starter},
    room::{Full, Held, Most, Room},
    slot::{Place, Slot, State},
};
use crate::{sandbox::Sandbox, trash::Trash};

/// How often it is looked for those that are idle.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The folder of a tenant's databases in its own.
const FOLDER: &str = "d1";
/// Longest name.
const MAX_NAME: usize = 63;

const TOO_MANY: &str = "D1 DB is overloaded. Too many requests queued.";
const TOO_LONG: &str = "D1 DB is overloaded. Requests queued for too long.";
const LATE: &str = "D1 DB exceeded its CPU time limit and was reset.";
const MEMORY: &str = "D1 DB's isolate exceeded its memory limit and was reset.";

/// The databases of a node. Cheap to clone.
#[derive(Clone)]
pub struct SqlDatabases {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    starter: Starter,
    /// The folder of the tenants' folders.
    tenants: PathBuf,
    trash: Trash,
    slots: Mutex<HashMap<Place, Arc<Slot>>>,
    /// Held while a folder is made: how many there are is counted and changed at once.
    making: Mutex<()>,
    seats: Room,
    /// Bytes of requests and answers under way.
    memory: Room,
    next: AtomicU64,
}

/// What came of a request; the memory it takes is the tenant's until it is dropped.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Whether it was carried out, and if not, why.
    pub(crate) tell: Tell,
    /// In D1's form.
    pub(crate) body: Bytes,
    /// None for what the platform itself says.
    pub(crate) held: Option<Held>,
}

impl Reply {
    /// What the platform itself says.
    pub(crate) fn refused(message: &str) -> Self {
        Self { tell: Tell::Refused, body: said(message), held: None }
    }

    /// There is no room for the request.
    pub(crate) fn overloaded() -> Self {
        Self::refused(TOO_MANY)
    }
}

impl From<Answer> for Reply {
    fn from(Answer { tell, body, held }: Answer) -> Self {
        Self { tell, body, held: Some(held) }
    }
}

/// A failure in D1's form.
fn said(message: &str) -> Bytes {
    serde_json::json!({ "success": false, "error": message }).to_string().into()
}

impl SqlDatabases {
    /// Databases below this folder, in which each tenant has one of its own. [`Self::run`] ends those that are idle.
    ///
    /// # Errors
    /// When this program cannot be started in the sandbox.
    pub fn new(
        tenants: PathBuf,
        limits: SqlLimits,
        (sandbox, trash): (Arc<Sandbox>, Trash),
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let image = sandbox.own_image()?;
        let processes = Most { node: limits.processes, tenant: limits.processes.div_ceil(4) };
        let memory = Most { node: limits.memory, tenant: limits.memory.div_ceil(4) };
        let inner = Inner {
            starter: Starter { sandbox, image, clock, limits },
            tenants,
            trash,
            slots: Mutex::default(),
            making: Mutex::default(),
            seats: Room::new(processes),
            memory: Room::new(memory),
            next: AtomicU64::new(1),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends processes that nobody asks any more. Runs until it is dropped.
    pub async fn run(&self) {
        loop {
            self.inner.clock().sleep(SWEEP_EVERY).await;
            self.inner.sweep().await;
        }
    }

    /// Takes memory for a request of so many bytes.
    pub(crate) fn hold(&self, tenant: TenantId, bytes: usize) -> Option<Held> {
        self.inner.memory.take(tenant, bytes).ok()
    }

    /// Has the database behind a binding carry out a request.
    ///
    /// # Errors
    /// `Invalid` when no database has such a name.
    pub(crate) async fn ask(
        &self,
        from: &Arc<Workload>,
        database: &str,
        (ask, body, held): (Ask, Bytes, Held),
    ) -> Result<Reply> {
        let slot = self.inner.slot_of(from, database)?;
        Ok(self.inner.ask(slot, ask, (body, held)).await)
    }

    /// Ends every process, each as soon as it has answered.
    pub async fn shutdown(&self) {
        let slots: Vec<_> = self.inner.slots().drain().map(|(_, slot)| slot).collect();
        let stops = slots.iter().map(|slot| async {
            let mut state = slot.state.lock().await;
            state.closed = true;
            if let Some(process) = state.process.take() {
                process.stop().await;
            }
        });
        futures_util::future::join_all(stops).await;
    }
}

impl Inner {
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.starter.clock
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Place, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self) -> &Room {
        &self.memory
    }

    pub(super) fn request_time(&self) -> Duration {
        self.starter.limits.request
    }

    /// The folder of a tenant's databases.
    pub(super) fn folder(&self, tenant: TenantId) -> PathBuf {
        self.tenants.join(tenant.to_string()).join(FOLDER)
    }

    /// The database that a binding of hosted code stands for.
    fn slot_of(&self, workload: &Arc<Workload>, database: &str) -> Result<Arc<Slot>> {
        let tenant = workload.version.tenant;
        match workload.purpose {
            Purpose::Serving => self.slot(tenant, database),
            Purpose::Trial => {
                let trial = Some(Arc::as_ptr(workload) as usize);
                let place = Place { tenant, name: check_name(database)?.to_owned(), trial };
                let owner = Arc::downgrade(workload);
                let new = || Arc::new(Slot::new(place.clone(), None, Some(owner)));
                Ok(Arc::clone(self.slots().entry(place.clone()).or_insert_with(new)))
            }
        }
    }

    /// A tenant's database, whether it is there or not.
    pub(super) fn slot(&self, tenant: TenantId, database: &str) -> Result<Arc<Slot>> {
        let place = Place { tenant, name: check_name(database)?.to_owned(), trial: None };
        let folder = self.folder(tenant).join(database);
        let new = || Arc::new(Slot::new(place.clone(), Some(folder), None));
        Ok(Arc::clone(self.slots().entry(place.clone()).or_insert_with(new)))
    }

    /// Has a database carry out a request. It is carried out to its end even if nobody waits for it any more.
    pub(super) async fn ask(self: &Arc<Self>, slot: Arc<Slot>, ask: Ask, body: (Bytes, Held)) -> Reply {
        let inner = Arc::clone(self);
        #[allow(
            clippy::disallowed_methods,
            reason = "ends by its deadlines: of its turn, its start, its request"
        )]
        let work = tokio::spawn(async move { inner.in_turn(&slot, ask, &body.0).await });
        work.await.unwrap_or_else(|_| Reply::refused("D1 DB is not available."))
    }

    async fn in_turn(&self, slot: &Slot, ask: Ask, body: &[u8]) -> Reply {
        let Some(_turn) = slot.queue() else { return Reply::refused(TOO_MANY) };
        let limits = &self.starter.limits;
        let mut state = tokio::select! {
            state = slot.state.lock() => state,
            () = self.clock().sleep(limits.request) => return Reply::refused(TOO_LONG),
        };
        if let Err(reply) = self.awake(slot, &mut state).await {
            return reply;
        }
        let Some(mut process) = state.process.take() else { return Reply::refused(TOO_MANY) };
        let answer = process.ask(ask, body, (&slot.place, &self.memory)).await;
        self.after(slot, &mut state, (process, answer))
    }

    /// Sees to it that a database has a process.
    pub(super) async fn awake(&self, slot: &Slot, state: &mut State) -> Result<(), Reply> {
        let now = self.clock().monotonic();
        if state.closed {
            return Err(Reply::refused("D1 DB is not available."));
        }
        if let Some(body) = state.paused(now) {
            return Err(Reply { tell: Tell::Refused, body, held: None });
        }
        if state.process.as_mut().is_some_and(Process::has_ended) {
            tracing::warn!(tenant.id = %slot.place.tenant, database = slot.place.name, "the process of a database ended while it was idle");
            state.process = None;
        }
        if state.process.is_some() {
            return Ok(());
        }
        let seat = self.seat(&slot.place).await.ok_or_else(|| Reply::refused(TOO_MANY))?;
        if let Some(folder) = &slot.folder {
            self.make_folder(slot.place.tenant, folder)
                .map_err(|error| Reply::refused(&error.to_string()))?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let started = self
            .starter
            .start((&slot.place, number), slot.folder.as_deref(), (seat, &self.memory))
            .await
            .map(|(process, answer)| (process, Ok(answer)));
        match started {
            Ok((process, Ok(answer))) if answer.tell == Tell::Done => {
                state.process = Some(process);
                state.used = now;
                Ok(())
            }
            Ok((process, answer)) => Err(self.after(slot, state, (process, answer))),
            Err(lost) => Err(self.failed(slot, state, &lost)),
        }
    }

    /// What a request tells about its database; the process is put back unless it is useless.
    pub(super) fn after(
        &self,
        slot: &Slot,
        state: &mut State,
        (process, answer): (Process, Result<Answer, Lost>),
    ) -> Reply {
        let now = self.clock().monotonic();
        let answer = match answer {
            Ok(answer) => answer,
            Err(lost) => return self.failed(slot, state, &lost),
        };
        match answer.tell {
            Tell::Done | Tell::Refused | Tell::Piece => {
                state.succeeded(now);
                state.process = Some(process);
            }
            Tell::Damaged => {
                let (file, text) = (slot.folder.as_ref().map(|folder| folder.join(FILE)), &answer.body);
                tracing::error!(
                    tenant.id = %slot.place.tenant,
                    database = slot.place.name,
                    ?file,
                    said = %String::from_utf8_lossy(text),
                    "the file of a database is damaged; restore it from a backup, or delete the database"
                );
                state.damaged(now, answer.body.clone());
            }
        }
        answer.into()
    }

    fn failed(&self, slot: &Slot, state: &mut State, lost: &Lost) -> Reply {
        let (message, private) = match lost {
            Lost::Late => (LATE.to_owned(), "killed at its deadline"),
            Lost::Memory => (MEMORY.to_owned(), "out of memory"),
            Lost::Ended(why) => ("D1 DB was reset because its process ended.".to_owned(), why.as_str()),
        };
        tracing::warn!(tenant.id = %slot.place.tenant, database = slot.place.name, reason = private, "the process of a database was lost");
        state.failed(self.clock().monotonic(), said(&message));
        Reply::refused(&message)
    }

    /// A seat for a process; idle ones of the same tenant, or of whoever has most, give theirs up.
    async fn seat(&self, place: &Place) -> Option<Held> {
        let tries = self.starter.limits.processes;
        for _ in 0..tries {
            let full = match self.seats.take(place.tenant, 1) {
                Ok(seat) => return Some(seat),
                Err(full) => full,
            };
            let only = match full {
                Full::Tenant => Some(place.tenant),
                Full::Node => None,
            };
            if !self.stop_one(only).await {
                break;
            }
        }
        tokio::select! {
            seat = self.seats.wait(place.tenant, 1) => Some(seat),
            () = self.clock().sleep(self.starter.limits.wait) => None,
        }
    }

    /// Ends the process of one database that is idle; false if there is none.
    async fn stop_one(&self, only: Option<TenantId>) -> bool {
        let mut slots: Vec<_> = self.slots().values().cloned().collect();
        slots.retain(|slot| only.is_none_or(|tenant| slot.place.tenant == tenant) && slot.is_quiet());
        slots.sort_by_key(|slot| std::cmp::Reverse(self.seats.of(slot.place.tenant)));
        for slot in slots {
            let Ok(mut state) = slot.state.try_lock() else { continue };
            if let Some(process) = state.process.take() {
                process.stop().await;
                return true;
            }
        }
        false
    }

    async fn sweep(&self) {
        let slots: Vec<_> = self.slots().values().cloned().collect();
        let stops = slots.into_iter().map(|slot| async move {
            let Ok(mut state) = slot.state.try_lock() else { return };
            let now = self.clock().monotonic();
            let is_idle = now.saturating_sub(state.used) >= self.starter.limits.idle;
            if let Some(process) = state.process.take_if(|_| slot.is_over() || is_idle) {
                process.stop().await;
            }
        });
        futures_util::future::join_all(stops).await;
        let now = self.clock().monotonic();
        self.slots().retain(|_, slot| {
            // One that somebody holds is about to be asked.
            Arc::strong_count(slot) > 1 || !slot.state.try_lock().is_ok_and(|state| state.is_empty(now))
        });
    }

    /// Makes the folder of a database, if the tenant may have one more.
    fn make_folder(&self, tenant: TenantId, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.starter.limits.per_tenant;
        if self.names(tenant)?.len() >= most {
            let refusal = Refusal::new(format!("the tenant has {most} databases, as many as it may"));
            return Err(Error::TooLarge(refusal.hint("smcp d1 delete DATABASE")));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(Error::internal)
    }

    /// The names of a tenant's databases, sorted.
    pub(super) fn names(&self, tenant: TenantId) -> Result<Vec<String>> {
        let entries = match fs::read_dir(self.folder(tenant)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::internal)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::internal)?.file_name();
            names.extend(name.to_str().filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Ends the process of a database and removes its folder.
    pub(super) async fn remove(&self, slot: &Slot) -> Result<()> {
        let Some(folder) = slot.folder.clone() else { return Err(Error::NotFound("database")) };
        let mut state = slot.state.lock().await;
        if !folder.is_dir() {
            return Err(Error::NotFound("database"));
        }
        if let Some(process) = state.process.take() {
            process.stop().await;
        }
        // Taken away whole: a half-removed database is none.
        self.trash.throw(&folder).map_err(Error::internal)?;
        state.closed = true;
        self.slots().remove(&slot.place);
        Ok(())
    }
}

/// Whether a text is the name of a database: what the manifest accepts, checked again for what comes from elsewhere, and
/// the name of a folder.
fn check_name(name: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fine = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(plain);
    if fine && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name);
    }
    Err(Error::invalid("a database has a name of 1 to 63 characters of a-z, 0-9 and inner hyphens"))
}
