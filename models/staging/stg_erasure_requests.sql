{{ loaded_rows('erasure_requests') }}
