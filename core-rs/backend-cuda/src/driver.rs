//! A GPU, through CUDA's driver, which is found at run time.

mod gpu;
mod kernels;
mod pinned;
mod presence;

use std::ffi::c_void;
use std::path::Path;
use std::sync::Arc;

use cudarc::driver::sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
use cudarc::driver::sys::{
    CUevent, CUevent_flags, CUgraph, CUgraphExec, CUgraphInstantiate_flags, CUresult, CUstream,
};
use cudarc::driver::{CudaContext, DriverError, result};
use tgi_cuda_kernels::signatures::{Kernel, Launch};

use crate::CudaError;
use crate::blas::{Blas, Product, WORKSPACE_BYTES, candidates};
use crate::device::{Argument, Device, Graph, Region};

pub use gpu::Gpu;
use kernels::Kernels;
pub use pinned::Pinned;

/// A GPU with a stream of its own, the kernels, and cuBLASLt where that is found.
pub struct Driver {
    gpu: Gpu,
    context: Arc<CudaContext>,
    stream: CUstream,
    kernels: Kernels,
    blas: Result<Blas, String>,
    taken: Vec<Region>,
    graphs: Vec<(CUgraph, CUgraphExec)>,
    events: Vec<CUevent>,
}

/// An event of a [`Driver`], which destroys it at its own end.
pub struct Event(CUevent);

// SAFETY: it is only used through the driver that made it.
unsafe impl Send for Event {}

impl Driver {
    /// Opens GPU `ordinal`; with `uses_blas` cuBLASLt is looked for.
    ///
    /// # Errors
    /// [`CudaError`]: no driver, one that is too old, no such GPU, no kernels for it.
    pub fn open(ordinal: usize, uses_blas: bool) -> Result<Self, CudaError> {
        let (gpu, context) = Gpu::open(ordinal)?;
        gpu.check()?;
        let fatbin = fatbin(ordinal)?;
        let failed = |action, reason| CudaError::Driver { ordinal, action, reason };
        let kernels = Kernels::load(fatbin).map_err(|reason| failed("load the kernels", reason))?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(|error| failed("make a stream", error.to_string()))?;
        let blas = Err("cuBLASLt was not asked for".to_owned());
        let (taken, graphs, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut driver = Self { gpu, context, stream, kernels, blas, taken, graphs, events };
        if uses_blas {
            let workspace = driver.allocate("the work of cuBLASLt", WORKSPACE_BYTES)?;
            let places = candidates(|name| std::env::var(name).ok());
            driver.blas = Blas::open(&places, workspace);
        }
        Ok(driver)
    }

    /// Facts of the GPU as it was when it was opened.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The file of cuBLASLt, or why there is none.
    ///
    /// # Errors
    /// One sentence.
    pub fn blas(&self) -> Result<&Path, &str> {
        self.blas.as_ref().map(Blas::path).map_err(String::as_str)
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(DriverError) -> CudaError + use<> {
        let ordinal = self.gpu.ordinal;
        move |error| CudaError::Driver { ordinal, action, reason: error.to_string() }
    }

    fn synchronize(&self, action: &'static str) -> Result<(), CudaError> {
        // SAFETY: the stream is alive.
        unsafe { result::stream::synchronize(self.stream) }.map_err(self.failed(action))
    }
}

/// The compiled kernels.
fn fatbin(ordinal: usize) -> Result<&'static [u8], CudaError> {
    tgi_cuda_kernels::FATBIN.ok_or(CudaError::NoKernels { ordinal })
}

impl Device for Driver {
    type Pinned = Pinned;
    type Event = Event;

    fn multiprocessors(&self) -> usize {
        self.gpu.multiprocessors
    }

    fn free_bytes(&self) -> Result<u64, CudaError> {
        let (free, _) =
            self.context.mem_get_info().map_err(self.failed("ask for the free memory"))?;
        Ok(free as u64)
    }

    fn allocate(&mut self, what: &'static str, bytes: usize) -> Result<Region, CudaError> {
        self.enter()?;
        let take = || {
            // SAFETY: the memory is filled before anybody reads it.
            unsafe {
                let address = result::malloc_sync(bytes.max(1))?;
                result::memset_d8_sync(address, 0, bytes.max(1))?;
                Ok(address)
            }
        };
        let address = take().map_err(|error: DriverError| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                let free = self.free_bytes().unwrap_or(0);
                CudaError::Memory { ordinal: self.gpu.ordinal, what, bytes, free }
            }
            _ => self.failed("take memory")(error),
        })?;
        let region = Region { address, bytes };
        self.taken.push(region);
        Ok(region)
    }

    fn pinned(&self, bytes: usize) -> Result<Pinned, CudaError> {
        Pinned::new(&self.context, bytes).map_err(self.failed("take page-locked memory"))
    }

    fn enter(&self) -> Result<(), CudaError> {
        self.context.bind_to_thread().map_err(self.failed("enter the context"))
    }

    fn upload(&mut self, from: &[u8], to: Region) -> Result<(), CudaError> {
        let to = to.part(0, from.len());
        // SAFETY: the region has as many bytes, and they are waited for while `from` is borrowed.
        unsafe { result::memcpy_htod_async(to.address, from, self.stream) }
            .map_err(self.failed("copy to the GPU"))?;
        self.synchronize("copy to the GPU")
    }

    unsafe fn send(&mut self, from: &Pinned, to: Region) -> Result<(), CudaError> {
        let bytes = &from.as_ref()[..to.bytes];
        // SAFETY: the region has as many bytes; the caller's promise for those of the host.
        unsafe { result::memcpy_htod_async(to.address, bytes, self.stream) }
            .map_err(self.failed("copy to the GPU"))
    }

    unsafe fn receive(&mut self, from: Region, into: &mut Pinned) -> Result<(), CudaError> {
        let bytes = &mut into.as_mut()[..from.bytes];
        // SAFETY: as above.
        unsafe { result::memcpy_dtoh_async(bytes, from.address, self.stream) }
            .map_err(self.failed("copy from the GPU"))
    }

    fn event(&mut self) -> Result<Event, CudaError> {
        self.enter()?;
        let event = result::event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING)
            .map_err(self.failed("make an event"))?;
        self.events.push(event);
        Ok(Event(event))
    }

    fn record(&mut self, event: &mut Event) -> Result<(), CudaError> {
        // SAFETY: event and stream live as long as the driver.
        unsafe { result::event::record(event.0, self.stream) }
            .map_err(self.failed("record an event"))
    }

    fn pass(&mut self, event: &Event) -> Result<(), CudaError> {
        // SAFETY: as above.
        unsafe { result::event::synchronize(event.0) }.map_err(self.failed("compute"))
    }

    fn wait(&mut self) -> Result<(), CudaError> {
        self.synchronize("compute")
    }

    unsafe fn launch<P: Argument>(
        &mut self,
        kernel: Kernel,
        launch: Launch,
        params: &P,
    ) -> Result<(), CudaError> {
        let [grid, block] = [launch.grid, launch.block].map(|[x, y, z]| (x, y, z));
        let shared = launch.shared_bytes;
        let function =
            self.kernels.function(kernel, shared).map_err(self.failed("prepare a kernel"))?;
        let mut argument = [std::ptr::from_ref(params).cast_mut().cast::<c_void>()];
        // SAFETY: the caller's promise; the driver copies the one argument before it returns.
        unsafe { result::launch_kernel(function, grid, block, shared, self.stream, &mut argument) }
            .map_err(self.failed("start a kernel"))
    }

    unsafe fn multiply(&mut self, product: &Product) -> Result<bool, CudaError> {
        let Ok(blas) = &mut self.blas else { return Ok(false) };
        // SAFETY: the caller's promise; the stream is this context's.
        unsafe { blas.multiply(product, self.stream) }.map_err(|reason| CudaError::Driver {
            ordinal: self.gpu.ordinal,
            action: "multiply matrices",
            reason,
        })
    }

    fn capture(
        &mut self,
        work: &mut dyn FnMut(&mut Self) -> Result<(), CudaError>,
    ) -> Result<Graph, CudaError> {
        let action = "capture a graph";
        // SAFETY: the stream is alive and captures nothing yet.
        unsafe { result::stream::begin_capture(self.stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) }
            .map_err(self.failed(action))?;
        let worked = work(self);
        // SAFETY: the stream captures since above; it must be ended also when the work failed.
        let graph = unsafe { result::stream::end_capture(self.stream) };
        worked?;
        let graph = graph.map_err(self.failed(action))?;
        // SAFETY: the graph was just captured.
        let executable = unsafe { result::graph::instantiate(graph, CUgraphInstantiate_flags(0)) }
            .map_err(self.failed(action))?;
        self.graphs.push((graph, executable));
        // SAFETY: both are alive.
        unsafe { result::graph::upload(executable, self.stream) }.map_err(self.failed(action))?;
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph) -> Result<(), CudaError> {
        let (_, executable) = self.graphs[graph.0];
        // SAFETY: graph and stream are alive, and so is the memory that it uses.
        unsafe { result::graph::launch(executable, self.stream) }
            .map_err(self.failed("start a graph"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.enter().is_err() || self.synchronize("end").is_err() {
            // The context is broken: what it holds ends with the process.
            return;
        }
        self.blas = Err(String::new());
        // SAFETY: the stream has ended all work, and everything here was made once and is used no
        // more.
        unsafe {
            for &(graph, executable) in &self.graphs {
                let _ = result::graph::exec_destroy(executable);
                let _ = result::graph::destroy(graph);
            }
            for &event in &self.events {
                let _ = result::event::destroy(event);
            }
            for region in &self.taken {
                let _ = result::free_sync(region.address);
            }
            self.kernels.unload();
            let _ = result::stream::destroy(self.stream);
        }
    }
}

// SAFETY: handles of the driver may be used from any thread in which the context is current, which
// `enter` sees to, one at a time, which `&mut` gives.
unsafe impl Send for Driver {}
