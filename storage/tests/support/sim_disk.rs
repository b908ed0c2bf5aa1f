//! A disk in memory that, when the power fails, keeps what was synced and an arbitrary part of
//! the rest: unsynced writes survive sector by sector and in any order, unsynced names survive or
//! not one by one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use kedge_storage::log::disk::{Disk, DiskFile};

use super::Random;

const SECTOR: usize = 512;

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Size(usize),
}

#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    live: Vec<u8>,
    pending: Vec<Change>,
}

/// When the n-th change to the disk (from 1) is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power fails in the middle of it; nothing works afterwards.
    PowerOff(u64),
    /// It fails if it is a sync, and the system forgets that the pages were not written. Other
    /// changes pass, the next sync is taken.
    SyncFails(u64),
    /// The disk is full from then on: writes stop in the middle.
    Full(u64),
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, File>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    next_file: u64,
    changes: u64,
    fault: Option<Fault>,
    is_off: bool,
    /// Counts restarts, so that a process that is "dead" cannot write through old handles.
    epoch: u64,
}

#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

enum Verdict {
    Pass,
    Tear,
}

impl State {
    /// Counts a change and decides its fate.
    fn change(&mut self, is_sync: bool) -> io::Result<Verdict> {
        if self.is_off {
            return Err(io::Error::other("power is off"));
        }
        self.changes += 1;
        match self.fault {
            Some(Fault::PowerOff(at)) if self.changes >= at => {
                self.is_off = true;
                Ok(Verdict::Tear)
            }
            Some(Fault::SyncFails(at)) if self.changes >= at && is_sync => {
                self.fault = None;
                Ok(Verdict::Tear)
            }
            Some(Fault::Full(at)) if self.changes >= at => {
                Ok(if is_sync { Verdict::Pass } else { Verdict::Tear })
            }
            Some(Fault::PowerOff(_) | Fault::SyncFails(_) | Fault::Full(_)) | None => {
                Ok(Verdict::Pass)
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Applies what survives of the unsynced changes.
fn tear(content: &mut Vec<u8>, pending: &[Change], keep_of_8: u64, random: &mut Random) {
    for change in pending {
        match change {
            Change::Size(bytes) => {
                if random.below(8) < keep_of_8 {
                    content.resize(*bytes, 0);
                }
            }
            Change::Write { offset, bytes } => {
                let mut at = 0;
                while at < bytes.len() {
                    let sector_end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
                    let end = sector_end.min(bytes.len());
                    if random.below(8) < keep_of_8 {
                        put(content, offset + at, &bytes[at..end]);
                    }
                    at = end;
                }
            }
        }
    }
}

impl SimDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Plans a fault, counted from now.
    pub fn plan(&self, fault: Option<Fault>) {
        let mut state = self.lock();
        state.changes = 0;
        state.fault = fault;
    }

    pub fn is_off(&self) -> bool {
        self.lock().is_off
    }

    /// The planned fault has happened (a power cut stays planned).
    pub fn is_fault_over(&self) -> bool {
        self.lock().fault.is_none()
    }

    /// The process dies, the machine goes on: everything written can be read, and what was not
    /// synced is still not safe.
    pub fn restart_process(&self) {
        let mut state = self.lock();
        state.epoch += 1;
        state.is_off = false;
        state.fault = None;
    }

    /// The machine loses power and starts again.
    pub fn restart_machine(&self, random: &mut Random) {
        let mut guard = self.lock();
        let state = &mut *guard;
        // Nothing, some or all of what was not synced survives.
        let keep_of_8 = [0, 2, 4, 6, 8][usize::try_from(random.below(5)).unwrap()];
        for file in state.files.values_mut() {
            let pending = std::mem::take(&mut file.pending);
            tear(&mut file.durable, &pending, keep_of_8, random);
            file.live.clone_from(&file.durable);
        }
        let mut names = state.durable_names.clone();
        for (path, file) in &state.names {
            if !names.contains_key(path) && random.below(8) < keep_of_8 {
                names.insert(path.clone(), *file);
            }
        }
        for path in state.durable_names.keys() {
            if !state.names.contains_key(path) && random.below(8) < keep_of_8 {
                names.remove(path);
            }
        }
        state.durable_names.clone_from(&names);
        state.names = names;
        state.epoch += 1;
        state.is_off = false;
        state.fault = None;
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok(state.names.keys().map(name).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if !state.names.contains_key(path) {
            state.change(false)?;
            if state.is_off {
                return Err(io::Error::other("power is off"));
            }
            let id = state.next_file;
            state.next_file += 1;
            state.files.insert(id, File::default());
            state.names.insert(path.to_owned(), id);
        }
        let file = state.names[path];
        Ok(Arc::new(SimFile { disk: self.clone(), file, epoch: state.epoch }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.change(false)?;
        // A removal is either done when the power fails or not; both are possible.
        state.names.remove(path);
        if state.is_off { Err(io::Error::other("power is off")) } else { Ok(()) }
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Verdict::Tear = state.change(true)? {
            return Err(io::Error::other("sync of folder failed"));
        }
        state.durable_names.clone_from(&state.names);
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    file: u64,
    epoch: u64,
}

impl SimFile {
    fn with<T>(
        &self,
        change: impl FnOnce(&mut State) -> io::Result<Verdict>,
        run: impl FnOnce(&mut File, Verdict) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut guard = self.disk.lock();
        let state = &mut *guard;
        if state.epoch != self.epoch {
            return Err(io::Error::other("handle of a dead process"));
        }
        let verdict = change(state)?;
        run(state.files.get_mut(&self.file).unwrap(), verdict)
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.with(|_| Ok(Verdict::Pass), |file, _| Ok(file.live.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.with(
            |_| Ok(Verdict::Pass),
            |file, _| {
                let found = file.live.get(offset..offset + buffer.len());
                buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            },
        )
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.with(
            |state| state.change(false),
            |file, verdict| {
                let (written, result) = match verdict {
                    Verdict::Pass => (bytes, Ok(())),
                    Verdict::Tear => {
                        let error = io::Error::from(io::ErrorKind::StorageFull);
                        (&bytes[..bytes.len() / 2], Err(error))
                    }
                };
                put(&mut file.live, offset, written);
                file.pending.push(Change::Write { offset, bytes: written.to_vec() });
                result
            },
        )
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).unwrap();
        self.with(
            |state| state.change(false),
            |file, verdict| match verdict {
                Verdict::Pass => {
                    file.live.resize(bytes, 0);
                    file.pending.push(Change::Size(bytes));
                    Ok(())
                }
                Verdict::Tear => Err(io::Error::other("power is off")),
            },
        )
    }

    fn sync(&self) -> io::Result<()> {
        self.with(
            |state| state.change(true),
            |file, verdict| match verdict {
                Verdict::Pass => {
                    // Replayed rather than copied from `live`: pages that a failed sync has
                    // dropped are not written by the next one.
                    for change in std::mem::take(&mut file.pending) {
                        match change {
                            Change::Write { offset, bytes } => {
                                put(&mut file.durable, offset, &bytes);
                            }
                            Change::Size(bytes) => file.durable.resize(bytes, 0),
                        }
                    }
                    Ok(())
                }
                Verdict::Tear => Err(io::Error::other("input/output error")),
            },
        )
    }
}

impl SimDisk {
    /// After a failed sync Linux takes the pages for written: they read well, a later sync skips
    /// them, and they are gone after a power cut.
    pub fn forget_unsynced(&self) {
        for file in self.lock().files.values_mut() {
            file.pending.clear();
        }
    }
}
