//! A device without a GPU: host memory, and the kernels' own sources compiled for the host.

use std::collections::VecDeque;

use tgi_backend_cuda::blas::{Blas, Product};
use tgi_backend_cuda::{Argument, CudaError, Device, Graph, Kernel, Launch, Region};
use tgi_cuda_kernels::emulate::{self, EmulationError, Order};

/// Alignment of what is taken, bytes, as the driver's.
const ALIGNMENT: usize = 256;

type Work = Box<dyn FnMut() -> Result<(), CudaError> + Send>;

/// Something that was asked for.
enum Task {
    Work(Work),
    Replay(Graph),
    /// From address to address, so many bytes.
    Copy(u64, u64, usize),
}

/// Runs everything on the calling thread: at once, or as late as it is waited for.
pub struct Emulated {
    memory: Vec<Vec<u8>>,
    taken: usize,
    /// Bytes that it has, to run out of.
    pub bytes: usize,
    multiprocessors: usize,
    order: Order,
    /// Whether nothing is done before it is waited for, as a GPU that is slower than its host.
    pub is_lazy: bool,
    /// What was asked for and not done.
    stream: VecDeque<Task>,
    /// Tasks done since the start.
    done: usize,
    graphs: Vec<Vec<Work>>,
    capturing: Option<Vec<Work>>,
    /// Replays of graphs.
    pub replays: usize,
    /// Copies to and from the host.
    pub copies: usize,
    /// Multiplies instead of own kernels.
    pub blas: Option<Blas>,
    /// Products that it did.
    pub products: usize,
}

impl Emulated {
    /// One that fills up with 2 or 132 multiprocessors' blocks, and runs blocks in that order.
    pub fn new(multiprocessors: usize, order: Order) -> Self {
        Self {
            memory: Vec::new(),
            taken: 0,
            bytes: 1 << 30,
            multiprocessors,
            order,
            is_lazy: false,
            stream: VecDeque::new(),
            done: 0,
            graphs: Vec::new(),
            capturing: None,
            replays: 0,
            copies: 0,
            blas: None,
            products: 0,
        }
    }

    fn run(&mut self, work: Work) -> Result<(), CudaError> {
        match &mut self.capturing {
            Some(captured) => {
                captured.push(work);
                Ok(())
            }
            None => self.ask(Task::Work(work)),
        }
    }

    fn ask(&mut self, task: Task) -> Result<(), CudaError> {
        assert!(self.capturing.is_none());
        self.stream.push_back(task);
        if self.is_lazy { Ok(()) } else { self.wait() }
    }

    /// Does tasks until `place` of them are done since the start.
    fn advance(&mut self, place: usize) -> Result<(), CudaError> {
        while self.done < place
            && let Some(task) = self.stream.pop_front()
        {
            self.done += 1;
            match task {
                Task::Work(mut work) => work()?,
                Task::Replay(graph) => {
                    self.graphs[graph.0].iter_mut().try_for_each(|work| work())?;
                }
                Task::Copy(from, to, bytes) => {
                    // SAFETY: both were checked when the copy was asked for, and pinned memory is
                    // there until then.
                    unsafe { (to as *mut u8).copy_from(from as *const u8, bytes) };
                }
            }
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(reason: EmulationError) -> CudaError {
    CudaError::Driver { ordinal: 0, action: "emulate", reason: reason.to_string() }
}

impl Device for Emulated {
    type Pinned = Vec<u8>;
    /// Tasks before it, since the start.
    type Event = usize;

    fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    fn free_bytes(&self) -> Result<u64, CudaError> {
        Ok((self.bytes - self.taken) as u64)
    }

    fn allocate(&mut self, what: &'static str, bytes: usize) -> Result<Region, CudaError> {
        if self.taken + bytes > self.bytes {
            let free = self.free_bytes()?;
            return Err(CudaError::Memory { ordinal: 0, what, bytes, free });
        }
        self.taken += bytes;
        let memory = vec![0u8; bytes + ALIGNMENT];
        let address = memory.as_ptr().addr().next_multiple_of(ALIGNMENT);
        self.memory.push(memory);
        Ok(Region { address: address as u64, bytes })
    }

    fn pinned(&self, bytes: usize) -> Result<Vec<u8>, CudaError> {
        Ok(vec![0; bytes])
    }

    fn enter(&self) -> Result<(), CudaError> {
        Ok(())
    }

    fn upload(&mut self, from: &[u8], to: Region) -> Result<(), CudaError> {
        assert!(from.len() <= to.bytes);
        self.ask(Task::Copy(from.as_ptr().addr() as u64, to.address, from.len()))?;
        self.wait()
    }

    unsafe fn send(&mut self, from: &Vec<u8>, to: Region) -> Result<(), CudaError> {
        self.copies += 1;
        self.ask(Task::Copy(from[..to.bytes].as_ptr().addr() as u64, to.address, to.bytes))
    }

    unsafe fn receive(&mut self, from: Region, into: &mut Vec<u8>) -> Result<(), CudaError> {
        self.copies += 1;
        let to = into[..from.bytes].as_mut_ptr().addr() as u64;
        self.ask(Task::Copy(from.address, to, from.bytes))
    }

    fn event(&mut self) -> Result<usize, CudaError> {
        Ok(0)
    }

    fn record(&mut self, event: &mut usize) -> Result<(), CudaError> {
        *event = self.done + self.stream.len();
        Ok(())
    }

    fn pass(&mut self, event: &usize) -> Result<(), CudaError> {
        self.advance(*event)
    }

    fn wait(&mut self) -> Result<(), CudaError> {
        self.advance(usize::MAX)
    }

    unsafe fn launch<P: Argument>(
        &mut self,
        kernel: Kernel,
        launch: Launch,
        params: &P,
    ) -> Result<(), CudaError> {
        let (params, order) = (*params, self.order);
        self.run(Box::new(move || {
            // SAFETY: the caller's promise; addresses are those of host memory.
            unsafe { emulate::launch(kernel, &launch, &params, order) }.map_err(failed)
        }))
    }

    unsafe fn multiply(&mut self, product: &Product) -> Result<bool, CudaError> {
        assert!(self.blas.is_none() || self.capturing.is_none());
        self.wait()?;
        let Some(blas) = &mut self.blas else { return Ok(false) };
        // SAFETY: the caller's promise; the stand-in for the library has no streams.
        let done = unsafe { blas.multiply(product, std::ptr::null_mut()) };
        let done = done.map_err(|reason| CudaError::Driver {
            ordinal: 0,
            action: "multiply matrices",
            reason,
        })?;
        self.products += usize::from(done);
        Ok(done)
    }

    fn capture(
        &mut self,
        work: &mut dyn FnMut(&mut Self) -> Result<(), CudaError>,
    ) -> Result<Graph, CudaError> {
        self.capturing = Some(Vec::new());
        let worked = work(self);
        let captured = self.capturing.take().unwrap_or_default();
        worked?;
        self.graphs.push(captured);
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph) -> Result<(), CudaError> {
        self.replays += 1;
        self.ask(Task::Replay(graph))
    }
}
