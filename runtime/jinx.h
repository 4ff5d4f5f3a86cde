/* The C interface of the Jinx runtime: open a compiled plan, run it, read the outputs.
 *
 * Worked example (errors left out; `jinx compile model.onnx -o model.jxp` made the plan):
 *
 *   jinx_plan *plan = NULL;
 *   jinx_session *session = NULL;
 *   jinx_call *call = NULL;
 *   jinx_plan_open("model.jxp", &plan);
 *   jinx_session_create(plan, NULL, &session);                     // the CPU, all its threads
 *   jinx_call_create(session, &call);
 *   jinx_call_set_input(call, 0, JINX_F32, shape, 2, data);        // no copy: `data` must stay until the call has run
 *   jinx_call_run(call, NULL);
 *   const jinx_tensor *y = NULL;
 *   jinx_call_output(call, 0, &y);                                 // jinx_tensor_data(y), jinx_tensor_shape(y), …
 *   jinx_call_destroy(call); jinx_session_destroy(session); jinx_plan_destroy(plan);
 *
 * Rules that hold for every function:
 *   - A function that can fail returns a `jinx_status *`: NULL is success; anything else is the caller's, who destroys
 * it with jinx_status_destroy. After a failure the out parameters are unchanged.
 *   - `…_create` and `…_open` give an object to the caller, who destroys it with the `…_destroy` of its type; that
 * accepts NULL. Objects may be destroyed in any order: whatever is still needed stays alive inside.
 *   - Strings are UTF-8, end in 0, and belong to the object they were asked of, as long as it lives.
 *   - Plans are immutable and may be used from any number of threads. So may sessions: runs of one session take turns.
 * Calls, traces and tensors are for one thread at a time.
 *   - No C++ exception crosses this interface. Arguments that break its rules (an object that is NULL, an index out of
 * range) are JINX_INVALID_ARGUMENT, or, in functions without a status, give NULL, 0 or -1 as stated.
 *
 * The interface grows by appending: functions keep their meaning, enumerators their numbers. Structs whose first member
 * is `struct_size` are filled in up to the size that the caller states: set it with `s.struct_size = sizeof s`.
 */
#ifndef JINX_H_
#define JINX_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define JINX_API __attribute__((visibility("default")))
#define JINX_MUST_USE __attribute__((warn_unused_result))
#else
#define JINX_API
#define JINX_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ---- */

typedef enum jinx_code {
  JINX_OK = 0,
  JINX_INVALID_ARGUMENT = 1, /* the input is at fault: a plan, a tensor, an argument */
  JINX_NOT_FOUND = 2,        /* a named file, input or device does not exist */
  JINX_UNIMPLEMENTED = 3,    /* the input is valid, and this runtime does not support it */
  JINX_RESOURCE = 4,         /* memory, disk or threads ran out */
  JINX_INTERNAL = 5          /* a fault of Jinx */
} jinx_code;

/* A failure. NULL is success. */
typedef struct jinx_status jinx_status;

JINX_API jinx_code jinx_status_code(const jinx_status* status); /* JINX_OK for NULL */
/* What failed and while doing what: "loading plan of m: …". "" for NULL. */
JINX_API const char* jinx_status_message(const jinx_status* status);
JINX_API void jinx_status_destroy(jinx_status* status);

/* "0.1.0" */
JINX_API const char* jinx_version(void);

/* ---- element types ---- */

/* Elements lie packed, row by row. Types below a byte are packed little end first; a bool is a byte, 0 or 1. */
typedef enum jinx_dtype {
  JINX_DTYPE_INVALID = 0, /* of a port: any type */
  JINX_F32 = 1,
  JINX_F64 = 2,
  JINX_F16 = 3,
  JINX_BF16 = 4,
  JINX_I8 = 5,
  JINX_I16 = 6,
  JINX_I32 = 7,
  JINX_I64 = 8,
  JINX_U8 = 9,
  JINX_U16 = 10,
  JINX_U32 = 11,
  JINX_U64 = 12,
  JINX_BOOL = 13,
  JINX_STRING = 14,
  JINX_C64 = 15,
  JINX_C128 = 16,
  JINX_F8E4M3FN = 17,
  JINX_F8E4M3FNUZ = 18,
  JINX_F8E5M2 = 19,
  JINX_F8E5M2FNUZ = 20,
  JINX_F8E8M0FNU = 21,
  JINX_F4E2M1 = 22,
  JINX_I4 = 23,
  JINX_U4 = 24,
  JINX_I2 = 25,
  JINX_U2 = 26
} jinx_dtype;

/* "f32", "i64", "bool", …; "?" for a number that is no type. */
JINX_API const char* jinx_dtype_name(jinx_dtype dtype);
/* Width of an element in bits; 0 for strings and for what is no type. */
JINX_API int32_t jinx_dtype_bits(jinx_dtype dtype);

/* ---- plans ---- */

/* A compiled model, checked and mapped. Immutable. */
typedef struct jinx_plan jinx_plan;

JINX_API JINX_MUST_USE jinx_status* jinx_plan_open(const char* path, jinx_plan** plan);
/* A plan file's bytes. They are copied when they do not begin at a multiple of 64 bytes; otherwise they must stay,
 * unchanged, for as long as the plan or a session of it lives. */
JINX_API JINX_MUST_USE jinx_status* jinx_plan_open_bytes(const void* bytes, size_t size_bytes, jinx_plan** plan);
JINX_API void jinx_plan_destroy(jinx_plan* plan);

JINX_API const char* jinx_plan_model_name(const jinx_plan* plan); /* "" when it has none; NULL for NULL */
JINX_API const char* jinx_plan_producer(const jinx_plan* plan);   /* "jinx 0.1.0" */
JINX_API const char* jinx_plan_target(const jinx_plan* plan);     /* "cpu", "cuda:sm_90a" */
/* The model's own metadata, in order of the keys. NULL for an unknown key, an index out of range or a NULL plan. */
JINX_API size_t jinx_plan_num_metadata(const jinx_plan* plan);
JINX_API const char* jinx_plan_metadata_key(const jinx_plan* plan, size_t index);
JINX_API const char* jinx_plan_metadata(const jinx_plan* plan, const char* key);

/* ---- sessions ---- */

/* A plan loaded on a device, with its constants, kernels, threads and working memory. */
typedef struct jinx_session jinx_session;

typedef struct jinx_session_options {
  size_t struct_size;  /* sizeof(jinx_session_options) */
  const char* device;  /* "cpu", "cuda:0", "emulated"; NULL: "cpu" */
  int32_t threads;     /* CPU, the caller included; 0: as many as the process may use */
  int32_t pin_threads; /* CPU: not 0 binds each thread to a processor */
  const char* isa; /* CPU: highest instruction-set level to use, "x86-64-v3"; NULL or "": all that the processor has */
} jinx_session_options;

/* `options` may be NULL: all zero. The session keeps what it needs of the plan alive. */
JINX_API JINX_MUST_USE jinx_status* jinx_session_create(const jinx_plan* plan, const jinx_session_options* options,
                                                        jinx_session** session);
JINX_API void jinx_session_destroy(jinx_session* session);
JINX_API const char*
jinx_session_device(const jinx_session* session); /* for people: "AMD EPYC 9V74, x86-64-v4, 2 threads" */
JINX_API const char* jinx_session_isa(const jinx_session* session); /* the code in use; "none" when the plan has none */

typedef enum jinx_kind { JINX_TENSOR = 0, JINX_SEQUENCE = 1, JINX_OPTIONAL = 2 } jinx_kind;

/* What an input or output is. */
typedef struct jinx_port {
  size_t struct_size; /* sizeof(jinx_port) */
  const char* name;
  jinx_kind kind;           /* only tensors can be passed through this interface */
  jinx_dtype dtype;         /* JINX_DTYPE_INVALID: any */
  int32_t rank;             /* -1: any */
  const int64_t* dims;      /* `rank` extents; -1 where the size is not fixed */
  const char* const* sizes; /* `rank` texts: "4", "batch", "2*seq + 1" */
} jinx_port;

JINX_API size_t jinx_session_num_inputs(const jinx_session* session);
JINX_API size_t jinx_session_num_outputs(const jinx_session* session);
/* What `port` points to belongs to the session. */
JINX_API JINX_MUST_USE jinx_status* jinx_session_input(const jinx_session* session, size_t index, jinx_port* port);
JINX_API JINX_MUST_USE jinx_status* jinx_session_output(const jinx_session* session, size_t index, jinx_port* port);
/* The position of a name; -1 when there is none. */
JINX_API int64_t jinx_session_find_input(const jinx_session* session, const char* name);
JINX_API int64_t jinx_session_find_output(const jinx_session* session, const char* name);

typedef struct jinx_statistics {
  size_t struct_size;          /* sizeof(jinx_statistics) */
  int64_t constant_bytes;      /* mapped, or on the device */
  int64_t arena_bytes;         /* memory for activations now allocated */
  int64_t largest_live_bytes;  /* of the last run's sizes: no plan needs less for its activations … */
  int64_t planned_bytes;       /* … this is what the arena takes … */
  int64_t activation_bytes;    /* … and this is what a buffer for each would */
  int64_t scratch_bytes;       /* per thread */
  int64_t dynamic_peak_bytes;  /* tensors whose size is known only while running */
  int64_t dynamic_allocations; /* requests for those that went to the system */
  int64_t bindings_made;       /* sets of input sizes prepared so far */
} jinx_statistics;

JINX_API JINX_MUST_USE jinx_status* jinx_session_statistics(const jinx_session* session, jinx_statistics* statistics);

/* ---- tensors ---- */

/* Elements on the host: what a call has put out. */
typedef struct jinx_tensor jinx_tensor;

JINX_API jinx_dtype jinx_tensor_dtype(const jinx_tensor* tensor);     /* JINX_DTYPE_INVALID for NULL */
JINX_API int32_t jinx_tensor_rank(const jinx_tensor* tensor);         /* -1 for NULL */
JINX_API const int64_t* jinx_tensor_shape(const jinx_tensor* tensor); /* `rank` extents, the tensor's */
JINX_API int64_t jinx_tensor_num_elements(const jinx_tensor* tensor);
JINX_API size_t jinx_tensor_size_bytes(const jinx_tensor* tensor); /* 0 for strings */
JINX_API const void* jinx_tensor_data(const jinx_tensor* tensor);  /* NULL for strings */
/* One string, which may hold zeros; it is the tensor's. NULL when out of range or not a string tensor. */
JINX_API const char* jinx_tensor_string(const jinx_tensor* tensor, int64_t index, size_t* size_bytes);
JINX_API void jinx_tensor_destroy(jinx_tensor* tensor);

/* ---- traces ---- */

/* A recording of what ran when. Its memory is taken at once; what does not fit is counted as dropped. */
typedef struct jinx_trace jinx_trace;

/* Time of one step over all its recorded executions. */
typedef struct jinx_step_timing {
  size_t struct_size; /* sizeof(jinx_step_timing) */
  const char* name;   /* the strings are the trace's */
  const char* kind;   /* "launch", "host", "control", "copy" */
  const char* kernel; /* kernel symbol or host operator */
  int64_t count;
  double total_ms, min_ms, max_ms;
} jinx_step_timing;

/* A recording of runs of one session. `max_events` 0: 65536. */
JINX_API JINX_MUST_USE jinx_status* jinx_trace_create(const jinx_session* session, size_t max_events,
                                                      jinx_trace** trace);
JINX_API void jinx_trace_destroy(jinx_trace* trace);
JINX_API void jinx_trace_clear(jinx_trace* trace);
JINX_API int64_t jinx_trace_dropped(const jinx_trace* trace);
/* Steps that were recorded so far. This and jinx_trace_timing look at the recording as it is when this is called. */
JINX_API size_t jinx_trace_num_timings(jinx_trace* trace);
JINX_API JINX_MUST_USE jinx_status* jinx_trace_timing(const jinx_trace* trace, size_t index, jinx_step_timing* timing);
/* Chrome trace-event JSON, as Perfetto reads it. */
JINX_API JINX_MUST_USE jinx_status* jinx_trace_write(const jinx_trace* trace, const char* path);

/* ---- calls ---- */

/* The inputs and outputs of runs of one session. Kept between runs: a second run with the same call reads the same
 * input addresses again. */
typedef struct jinx_call jinx_call;

JINX_API JINX_MUST_USE jinx_status* jinx_call_create(jinx_session* session, jinx_call** call);
JINX_API void jinx_call_destroy(jinx_call* call);

/* Sets input `index` to memory of the caller's, which is not copied: it must stay until the last run that reads it is
 * over. `shape` is copied; it may be NULL when `rank` is 0. Type and shape are checked when the call runs. What the
 * model writes in place (pages of keys and values) is changed there, so `data` must be writable. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_set_input(jinx_call* call, size_t index, jinx_dtype dtype,
                                                        const int64_t* shape, int32_t rank, const void* data);
/* The same for strings, which are copied. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_set_input_strings(jinx_call* call, size_t index, const int64_t* shape,
                                                                int32_t rank, const char* const* strings);
/* Leaves out an optional input. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_clear_input(jinx_call* call, size_t index);

/* Makes runs write output `index` into memory of the caller's: `size_bytes` of it, aligned to the element (64 bytes are
 * best). A run whose output has another type or shape fails. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_set_output(jinx_call* call, size_t index, jinx_dtype dtype,
                                                         const int64_t* shape, int32_t rank, void* data,
                                                         size_t size_bytes);
/* Makes runs allocate output `index`, as they do when nothing is said. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_clear_output(jinx_call* call, size_t index);

/* The shape that output `index` will have with the inputs as they are set: `rank` numbers into `shape`, which has room
 * for `max_rank`; -1 for an extent that only a run can tell. JINX_UNIMPLEMENTED when not even the rank is known. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_output_shape(const jinx_call* call, size_t index, int64_t* shape,
                                                           int32_t max_rank, int32_t* rank);

/* Runs once and returns when the outputs are there. `trace` may be NULL; else it was made for the same session. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_run(jinx_call* call, jinx_trace* trace);

/* Output `index` of the last run, which succeeded. It stays the call's: valid until its next run or its end. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_output(const jinx_call* call, size_t index, const jinx_tensor** tensor);
/* The same, given to the caller, who destroys it: it stays valid on its own (its memory too, unless that was set by
 * jinx_call_set_output). */
JINX_API JINX_MUST_USE jinx_status* jinx_call_take_output(jinx_call* call, size_t index, jinx_tensor** tensor);

/* ---- runs that stay on the device ---- */

/* For programs that have the device's memory and streams in their own hands: nothing is copied to or from the host, and
 * nobody waits. A program that records such runs in a graph of the driver, or puts them between two events, measures
 * what the device does.
 *
 *   jinx_call_set_device_input(call, 0, JINX_F32, shape, 2, x);  // x, y: of cuMemAlloc
 *   jinx_call_set_device_output(call, 0, JINX_F32, shape, 2, y, size_bytes);
 *   jinx_call_enqueue(call, stream);                         // a CUstream in the primary context
 *
 * On the CPU the device's memory is the host's, `stream` is NULL, and the run is over when the function returns. */

/* As jinx_call_set_input and jinx_call_set_output, for memory of the session's device that begins at a multiple of 64
 * bytes. Such a call is enqueued, and cannot run. jinx_call_clear_input and jinx_call_clear_output undo it. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_set_device_input(jinx_call* call, size_t index, jinx_dtype dtype,
                                                               const int64_t* shape, int32_t rank, const void* data);
JINX_API JINX_MUST_USE jinx_status* jinx_call_set_device_output(jinx_call* call, size_t index, jinx_dtype dtype,
                                                                const int64_t* shape, int32_t rank, void* data,
                                                                size_t size_bytes);

/* Enqueues one run on `stream` and returns; all inputs and outputs lie on the device, and must stay until it is over.
 * `stream` is the driver's handle, NULL its default stream. JINX_UNIMPLEMENTED when a step of the plan runs on the
 * host, or decides sizes. The first run with sizes not seen lately may allocate device memory; the next may be captured
 * (cuStreamBeginCapture). What was captured works on the session's memory: it is good until the session ends or meets
 * sizes that take more. Runs of one session share that memory: on one stream they are in order; across streams, and
 * before a jinx_call_run, the caller sees to it that one is over before the next begins. Failures of the run itself
 * show in the stream. */
JINX_API JINX_MUST_USE jinx_status* jinx_call_enqueue(jinx_call* call, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* JINX_H_ */
