{{ loaded_rows('tickets') }}
