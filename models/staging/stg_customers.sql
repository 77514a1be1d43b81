{{ loaded_rows('customers') }}
